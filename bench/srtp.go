package main

import (
	"context"
	"fmt"

	"tincan/bench/load"
)

const srtpCalls = 200

// sealed are the ways in which calls are encrypted.
func sealed() []struct {
	key, name string
	suite     *load.Suite
} {
	return []struct {
		key, name string
		suite     *load.Suite
	}{
		{"plain", "in the clear", nil},
		{"gcm", "AES-GCM", load.AESGCM},
		{"cm", "AES-CM, HMAC-SHA1", load.AESCM},
	}
}

// srtpExperiment: standing calls whose parties have keys of their own, so that each
// packet is decrypted and encrypted. The bare relay hands on what it does not
// understand.
func srtpExperiment() experiment {
	e := experiment{
		key:      "srtp",
		about:    fmt.Sprintf("%d standing calls, encrypted with each party, 50 packets a second each way", srtpCalls),
		subjects: []subject{tincan, relay},
		measure:  measureSRTP,
	}
	for _, way := range sealed() {
		e.figures = append(e.figures,
			figure{key: way.key, name: way.name + ": CPU a packet", unit: "us"},
			figure{key: way.key + "p99", name: "delay, 99 % below", unit: "us"},
			figure{key: way.key + "lost", name: "packets lost", unit: "%"},
		)
	}
	return e
}

func measureSRTP(l *lab, s subject) (values, error) {
	all := values{}
	for _, way := range sealed() {
		if s.name == relay.name && way.suite != nil {
			continue
		}
		stream, cpu, err := measureSealed(l, s, way.suite)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.name, err)
		}
		all[way.key] = cpu / float64(stream.Received)
		all[way.key+"p99"] = microseconds(stream.Percentile(0.99))
		all[way.key+"lost"] = 100 * float64(stream.Sent-stream.Received) / float64(stream.Sent)
	}
	return all, nil
}

func measureSealed(l *lab, s subject, suite *load.Suite) (stream load.Result, cpu float64, err error) {
	own, err := freeAddress()
	if err != nil {
		return stream, 0, err
	}
	set := setting{callee: own, calls: srtpCalls}
	if suite != nil {
		set.encryption = "required"
	}
	server, err := s.start(l, set)
	if err != nil {
		return stream, 0, err
	}
	defer server.Stop()
	calls, hangUp, err := standSealed(server, own, suite)
	if err != nil {
		return stream, 0, err
	}
	defer hangUp()
	before, err := server.CPU()
	if err != nil {
		return stream, 0, err
	}
	if stream, err = load.Stream(context.Background(), calls, l.media); err != nil {
		return stream, 0, err
	}
	after, err := server.CPU()
	if err == nil && stream.Received == 0 {
		err = fmt.Errorf("of %d packets none arrived; it said last:\n%s", stream.Sent, server.Tail())
	}
	return stream, microseconds(after - before), err
}

func standSealed(server *running, own string, suite *load.Suite) ([]load.Call, func(), error) {
	if suite == nil {
		return stand(server, own, srtpCalls, load.PCMU)
	}
	board, err := load.NewSwitchboard(own, server.address, "9000")
	if err != nil {
		return nil, nil, err
	}
	board.Encrypt(suite)
	return standing(board, srtpCalls)
}
