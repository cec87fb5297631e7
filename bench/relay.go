package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"tincan/bench/load"
	"tincan/bench/proc"
)

const (
	relayCalls = 200

	// idleFor lets a server settle before its idle memory is read.
	idleFor = 3 * time.Second
)

var relay = subject{name: "bare relay", start: startRelay}

// relayExperiment: standing calls with sound both ways.
func relayExperiment() experiment {
	return experiment{
		key:      "relay",
		about:    fmt.Sprintf("%d standing calls, 50 packets a second each way", relayCalls),
		subjects: []subject{tincan, relay},
		measure:  measureRelay,
		figures: []figure{
			{key: "cpu", name: "CPU a packet", unit: "us", limit: packetLimit},
			{key: "p50", name: "delay, half below", unit: "us"},
			{key: "p99", name: "delay, 99 % below", unit: "us", limit: delayLimit},
			{key: "lost", name: "packets lost", unit: "%"},
			{key: "memory", name: "memory a standing call", unit: "kB", limit: atMost(60)},
		},
	}
}

// packetLimit: 1.15 times the bare relay.
func packetLimit(by map[string]summary) (float64, string) {
	limit := 1.15 * by[relay.name].median
	return limit, fmt.Sprintf("<= %.2f (1.15 x)", limit)
}

// delayLimit: no worse than the bare relay's own spread over its runs.
func delayLimit(by map[string]summary) (float64, string) {
	limit := by[relay.name].most
	return limit, fmt.Sprintf("<= %.0f (its worst run)", limit)
}

// startRelay has no SIP: its calls are the ports that it prints.
func startRelay(l *lab, s setting) (*running, error) {
	process, err := proc.Start("", filepath.Join(l.folder, "relay"), "-pairs", strconv.Itoa(s.calls))
	return &running{Process: process, started: time.Now()}, err
}

func measureRelay(l *lab, s subject) (values, error) {
	own, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := s.start(l, setting{callee: own, calls: relayCalls})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	<-time.After(idleFor)
	idle, err := server.RSS()
	if err != nil {
		return nil, err
	}
	calls, hangUp, err := stand(server, own, relayCalls, load.PCMU)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	before, err := server.CPU()
	if err != nil {
		return nil, err
	}
	stream, err := load.Stream(context.Background(), calls, l.media)
	if err != nil {
		return nil, err
	}
	after, err := server.CPU()
	if err != nil {
		return nil, err
	}
	if stream.Received == 0 {
		return nil, fmt.Errorf("of %d packets none arrived; it said last:\n%s", stream.Sent, server.Tail())
	}
	full, err := server.RSS()
	return values{
		"cpu":    microseconds(after-before) / float64(stream.Received),
		"p50":    microseconds(stream.Percentile(0.50)),
		"p99":    microseconds(stream.Percentile(0.99)),
		"lost":   100 * float64(stream.Sent-stream.Received) / float64(stream.Sent),
		"memory": float64(full-idle) / 1000 / relayCalls,
	}, err
}

// stand sets up the calls: by SIP, or with the ports that the bare relay prints.
func stand(server *running, own string, n int, takes load.Codec) ([]load.Call, func(), error) {
	if server.address == "" {
		return pairs(server)
	}
	board, err := load.NewSwitchboard(own, server.address, "9000")
	if err != nil {
		return nil, nil, err
	}
	board.Take(takes)
	return standing(board, n)
}

// standing sets up calls by SIP.
func standing(board *load.Switchboard, n int) ([]load.Call, func(), error) {
	var calls []load.Call
	hangUp := func() {
		board.Close()
		closeAll(calls)
	}
	for range n {
		call, err := board.Call(context.Background())
		if err != nil {
			hangUp()
			return nil, nil, err
		}
		calls = append(calls, call)
	}
	return calls, hangUp, nil
}

// pairs makes calls of the port pairs that the bare relay prints.
func pairs(server *running) ([]load.Call, func(), error) {
	var calls []load.Call
	for line := range server.Lines() {
		if line == "ready" {
			return calls, func() { closeAll(calls) }, nil
		}
		var a, b uint16
		if _, err := fmt.Sscan(line, &a, &b); err != nil {
			return nil, nil, fmt.Errorf("bare relay said %q: %w", line, err)
		}
		call, err := load.Listen()
		if err != nil {
			return nil, nil, err
		}
		localhost := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		call.ToA, call.ToB = netip.AddrPortFrom(localhost, a), netip.AddrPortFrom(localhost, b)
		calls = append(calls, call)
	}
	return nil, nil, fmt.Errorf("bare relay ended; it said last:\n%s", server.Tail())
}

func closeAll(calls []load.Call) {
	for _, call := range calls {
		call.Close()
	}
}
