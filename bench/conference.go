package main

import (
	"context"
	"fmt"

	"tincan/bench/load"
)

// conferenceSizes are the rooms that are measured, in seats.
var conferenceSizes = []int{30, 60, 120}

// conferenceExperiment: a room in which all speak, to what the bare relay takes for
// as many packets.
func conferenceExperiment() experiment {
	e := experiment{
		key:      "conference",
		about:    "one room, all in PCMU, all speaking, 50 packets a second from and to each",
		subjects: []subject{tincan, relay},
		measure:  measureConferences,
	}
	for _, n := range conferenceSizes {
		key := conferenceKey(n)
		limit := func(by map[string]summary) (float64, string) {
			most := 1.4 * by[relay.name].median
			return most, fmt.Sprintf("<= %.2f (1.4 x)", most)
		}
		e.figures = append(e.figures,
			figure{key: key, name: fmt.Sprintf("CPU a packet in, %d seats", n), unit: "us", limit: limit},
			figure{key: key + "-lost", name: fmt.Sprintf("packets lost, %d seats", n), unit: "%"})
	}
	return e
}

func conferenceKey(seats int) string { return fmt.Sprint("seats", seats) }

func measureConferences(l *lab, s subject) (values, error) {
	all := values{}
	for _, n := range conferenceSizes {
		if err := measureConference(l, s, n, all); err != nil {
			return nil, fmt.Errorf("%d seats: %w", n, err)
		}
	}
	return all, nil
}

func measureConference(l *lab, s subject, seats int, into values) error {
	own, err := freeAddress()
	if err != nil {
		return err
	}
	server, err := s.start(l, setting{callee: own, room: true, calls: seats})
	if err != nil {
		return err
	}
	defer server.Stop()
	calls, leave, err := sit(server, own, seats/2)
	if err != nil {
		return err
	}
	defer leave()
	before, err := server.CPU()
	if err != nil {
		return err
	}
	stream, err := load.Stream(context.Background(), calls, l.media/2)
	if err != nil {
		return err
	}
	after, err := server.CPU()
	if err != nil {
		return err
	}
	if stream.Received == 0 {
		return fmt.Errorf("of %d packets none arrived; it said last:\n%s", stream.Sent, server.Tail())
	}
	into[conferenceKey(seats)] = microseconds(after-before) / float64(stream.Sent)
	into[conferenceKey(seats)+"-lost"] = max(0, 100*float64(stream.Sent-stream.Received)/float64(stream.Sent))
	return nil
}

// sit seats two parties a call in the room, or takes the ports that the bare relay
// prints: seats/2 pairs of it are as many packets in.
func sit(server *running, own string, n int) ([]load.Call, func(), error) {
	if server.address == "" {
		calls, leave, err := pairs(server)
		return calls[:min(n, len(calls))], leave, err
	}
	board, err := load.NewSwitchboard(own, server.address, "9000")
	if err != nil {
		return nil, nil, err
	}
	var calls []load.Call
	leave := func() {
		board.Close()
		closeAll(calls)
	}
	for range n {
		call, err := board.Enter(context.Background())
		if err != nil {
			leave()
			return nil, nil, err
		}
		calls = append(calls, call)
	}
	return calls, leave, nil
}
