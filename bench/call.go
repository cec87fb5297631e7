package main

import (
	"fmt"
	"strconv"
	"time"
)

const (
	callCount    = 1000
	callRate     = 50 // a second
	callLength   = time.Second
	callPatience = time.Minute
)

// callExperiment: SIPp calls SIPp through the server, trunk to trunk, no digest.
func callExperiment() experiment {
	return experiment{
		key:      "call",
		about:    fmt.Sprintf("%d calls at %d a second, trunk to trunk, %v each, no media", callCount, callRate, callLength),
		subjects: []subject{tincan, b2b, asterisk},
		measure:  measureCalls,
		figures: []figure{
			{key: "cpu", name: "CPU a call", unit: "ms", limit: scaled(2, b2b.name, 1.5)},
		},
	}
}

func measureCalls(l *lab, s subject) (values, error) {
	calleeAddress, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := s.start(l, setting{callee: calleeAddress, calls: callCount})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	callee, err := l.sipp("callee.xml", calleeAddress, callCount)
	if err != nil {
		return nil, err
	}
	defer callee.Stop()
	before, err := server.CPU()
	if err != nil {
		return nil, err
	}
	callerAddress, err := freeAddress()
	if err != nil {
		return nil, err
	}
	caller, err := l.sipp("caller.xml", callerAddress, callCount,
		"-r", strconv.Itoa(callRate), "-d", strconv.FormatInt(callLength.Milliseconds(), 10), "-s", "9000", server.address)
	if err != nil {
		return nil, err
	}
	defer caller.Stop()
	if err := caller.Wait(callPatience); err != nil {
		return nil, err
	}
	if err := callee.Wait(callPatience); err != nil {
		return nil, err
	}
	after, err := server.CPU()
	return values{"cpu": milliseconds(after-before) / callCount}, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
