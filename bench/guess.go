package main

import (
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	guessRate  = 2000 // wrong digests a second
	guessCalls = 1500
	guessFrom  = 1000 // addresses, where they come from many
)

// guessExperiment: the calls of callExperiment alone, while one address guesses
// secrets, and while a thousand do, each below what the gate lets an address send.
func guessExperiment() experiment {
	return experiment{
		key:      "guess",
		about:    fmt.Sprintf("%d calls at %d a second, while %d wrong digests a second come from one or %d addresses", guessCalls, callRate, guessRate, guessFrom),
		subjects: []subject{tincan},
		measure:  measureGuessing,
		figures: []figure{
			{key: "calm", name: "set-up p99, nobody guesses", unit: "ms"},
			{key: "one", name: "set-up p99, one address", unit: "ms"},
			{key: "many", name: "set-up p99, many addresses", unit: "ms"},
			{key: "grew", name: "memory grown by guesses", unit: "MB", limit: atMost(16)},
		},
	}
}

func measureGuessing(l *lab, s subject) (values, error) {
	callee, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := s.start(l, setting{callee: callee, calls: guessCalls, extensions: []string{"101"}})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	got := values{}
	if got["calm"], err = l.setUp(server, callee); err != nil {
		return nil, err
	}
	before, err := server.RSS()
	if err != nil {
		return nil, err
	}
	for _, from := range []struct {
		figure    string
		addresses int
	}{{"one", 1}, {"many", guessFrom}} {
		end, err := guess(server.address, from.addresses)
		if err != nil {
			return nil, err
		}
		got[from.figure], err = l.setUp(server, callee)
		end()
		if err != nil {
			return nil, err
		}
	}
	after, err := server.RSS()
	got["grew"] = float64(after-before) / (1 << 20)
	return got, err
}

// setUp makes calls and gives the 99th percentile of their set-up in milliseconds.
func (l *lab) setUp(server *running, calleeAddress string) (float64, error) {
	callee, err := l.sipp("callee.xml", calleeAddress, guessCalls)
	if err != nil {
		return 0, err
	}
	defer callee.Stop()
	own, err := freeAddress()
	if err != nil {
		return 0, err
	}
	caller, err := l.sipp("caller.xml", own, guessCalls, "-r", strconv.Itoa(callRate), "-d", "200", "-s", "9000",
		"-trace_rtt", "-rtt_freq", "1", server.address)
	if err != nil {
		return 0, err
	}
	defer caller.Stop()
	if err := caller.Wait(callPatience); err != nil {
		return 0, err
	}
	if err := callee.Wait(callPatience); err != nil {
		return 0, err
	}
	return percentile(filepath.Join(l.folder, fmt.Sprintf("caller_%d_rtt.csv", caller.PID())), 99)
}

// percentile reads SIPp's response times: "Date_ms;response_time_ms;rtd_no".
func percentile(file string, p int) (float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord = ';', -1
	lines, err := r.ReadAll()
	if err != nil || len(lines) < 2 {
		return 0, fmt.Errorf("%s has no times: %w", file, err)
	}
	var times []float64
	for _, line := range lines[1:] {
		ms, err := strconv.ParseFloat(line[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		times = append(times, ms)
	}
	slices.Sort(times)
	return times[len(times)*p/100], nil
}

// guess sends REGISTERs with wrong digests until end is called, from addresses of
// the loopback other than the callers'.
func guess(server string, addresses int) (end func(), err error) {
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		return nil, err
	}
	var conns []*net.UDPConn
	for i := range addresses {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(i%250+1))}, to)
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { pour(conns, stop) })
	return func() {
		close(stop)
		wg.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
	}, nil
}

// pour sends guessRate a second, in turn from each.
func pour(conns []*net.UDPConn, stop <-chan struct{}) {
	const every = 5 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for range guessRate * int(every) / int(time.Second) {
			n++
			_, _ = conns[n%len(conns)].Write(fmt.Appendf(nil, wrongDigest, n)) // what the kernel drops is dropped
		}
	}
}

// wrongDigest takes a number.
const wrongDigest = "REGISTER sip:tincan SIP/2.0\r\nVia: SIP/2.0/UDP 127.1.0.1:5060;branch=z9hG4bKguess%[1]d\r\nMax-Forwards: 70\r\n" +
	"From: <sip:101@tincan>;tag=guess\r\nTo: <sip:101@tincan>\r\nCall-ID: guess-%[1]d\r\nCSeq: 1 REGISTER\r\nContact: <sip:101@127.1.0.1>\r\n" +
	"Authorization: Digest username=\"101\", realm=\"tincan\", nonce=\"%[1]d\", uri=\"sip:tincan\", response=\"0123456789abcdef0123456789abcdef\"\r\n" +
	"Content-Length: 0\r\n\r\n"
