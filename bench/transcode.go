package main

import (
	"context"
	"fmt"
	"time"

	"tincan/bench/load"
)

const transcodeCalls = 200

// transcodeExperiment: standing calls whose parties have no codec in common, to
// what the bare relay takes for as many.
func transcodeExperiment() experiment {
	return experiment{
		key:      "transcode",
		about:    fmt.Sprintf("%d standing calls, PCMU to PCMA and back, 50 packets a second each way", transcodeCalls),
		subjects: []subject{tincan, relay},
		measure:  measureTranscoding,
		figures: []figure{
			{key: "cpu", name: "CPU a packet", unit: "us", limit: transcodeLimit},
			{key: "core", name: "calls a core", unit: ""},
			{key: "lost", name: "packets lost", unit: "%"},
		},
	}
}

// transcodeLimit: 1.4 times the bare relay.
func transcodeLimit(by map[string]summary) (float64, string) {
	limit := 1.4 * by[relay.name].median
	return limit, fmt.Sprintf("<= %.2f (1.4 x)", limit)
}

func measureTranscoding(l *lab, s subject) (values, error) {
	own, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := s.start(l, setting{callee: own, codec: "pcma", calls: transcodeCalls})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	calls, hangUp, err := stand(server, own, transcodeCalls, load.PCMA)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	before, err := server.CPU()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	stream, err := load.Stream(context.Background(), calls, l.media)
	if err != nil {
		return nil, err
	}
	passed := time.Since(began)
	after, err := server.CPU()
	if err != nil {
		return nil, err
	}
	if stream.Received == 0 {
		return nil, fmt.Errorf("of %d packets none arrived; it said last:\n%s", stream.Sent, server.Tail())
	}
	return values{
		"cpu":  microseconds(after-before) / float64(stream.Received),
		"core": transcodeCalls * float64(passed) / float64(after-before),
		"lost": 100 * float64(stream.Sent-stream.Received) / float64(stream.Sent),
	}, nil
}
