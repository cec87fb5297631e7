package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tincan/bench/load"
	"tincan/bench/proc"
)

var kernelCalls = []int{100, 200, 400, 800}

const (
	// kernelWarm lets the server give all streams to the kernel: a second to
	// settle, and one for the sweep that looks.
	kernelWarm = 4 * time.Second

	// kernelMedia is how long each number of calls stands, at most.
	kernelMedia = 10 * time.Second

	// nearlyNothing is the target of the server's own time a packet, us.
	nearlyNothing = 0.5
	// lossLimit is that of loss with 800 calls and the generator on two cores, %.
	lossLimit = 0.5
)

// kernelExperiment: standing calls that the kernel relays. Time of the whole
// machine has the generator's in it, alike for both, and whatever else it does.
func kernelExperiment() experiment {
	e := experiment{
		key:      "kernel",
		about:    "standing calls relayed in the kernel, 50 packets a second each way",
		subjects: []subject{tincan, relay},
		measure:  measureKernel,
	}
	for _, n := range kernelCalls {
		key := func(what string) string { return fmt.Sprintf("%s%d", what, n) }
		lost := figure{key: key("lost"), name: "packets lost", unit: "%"}
		if n == kernelCalls[len(kernelCalls)-1] {
			lost.limit = atMost(lossLimit)
		}
		e.figures = append(e.figures,
			figure{key: key("cpu"), name: fmt.Sprintf("%d calls: server's CPU a packet", n), unit: "us", limit: atMost(nearlyNothing)},
			figure{key: key("machine"), name: "machine's CPU a packet", unit: "us", limit: below()},
			figure{key: key("p99"), name: "delay, 99 % below", unit: "us", limit: below()},
			lost,
		)
	}
	return e
}

// below: less than the bare relay.
func below() func(map[string]summary) (float64, string) {
	return func(by map[string]summary) (float64, string) {
		limit := by[relay.name].median
		return limit, fmt.Sprintf("<= %.2f (the bare relay's)", limit)
	}
}

func measureKernel(l *lab, s subject) (values, error) {
	all := values{}
	for _, n := range kernelCalls {
		one, err := measureStanding(l, s, n)
		if err != nil {
			return nil, fmt.Errorf("%d calls: %w", n, err)
		}
		for key, v := range one {
			all[fmt.Sprintf("%s%d", key, n)] = v
		}
	}
	return all, nil
}

func measureStanding(l *lab, s subject, n int) (values, error) {
	own, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := s.start(l, setting{callee: own, calls: n, kernel: true})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	calls, hangUp, err := stand(server, own, n, load.PCMU)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	before := cost{err: errors.New("the stream never began")}
	stream, err := load.StreamAfter(context.Background(), calls, kernelWarm, min(l.media, kernelMedia), func() { before = costOf(server) })
	if err != nil {
		return nil, err
	}
	after := costOf(server)
	if err := errors.Join(before.err, after.err); err != nil {
		return nil, err
	}
	if stream.Received == 0 {
		return nil, fmt.Errorf("of %d packets none arrived; it said last:\n%s", stream.Sent, server.Tail())
	}
	packets := float64(stream.Received)
	return values{
		"cpu":     microseconds(after.server-before.server) / packets,
		"machine": microseconds(after.machine-before.machine) / packets,
		"p99":     microseconds(stream.Percentile(0.99)),
		"lost":    100 * float64(stream.Sent-stream.Received) / float64(stream.Sent),
	}, nil
}

// cost is what was used of the processor by a moment.
type cost struct {
	server, machine time.Duration
	err             error
}

func costOf(server *running) cost {
	own, err := server.CPU()
	all, errAll := proc.Machine()
	return cost{own, all, errors.Join(err, errAll)}
}
