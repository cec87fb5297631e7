// Package load makes the traffic of the benchmarks: standing calls with sound in
// both directions, and what became of each packet.
//
//	A ──RTP, 50 a second──> server ──> B      the time in the payload tells
//	A <────────────────────  server <── B      how long it was under way
//
// A stream has one goroutine a call that sends both ways and one a socket that
// receives; all end with Stream.
package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// packetEvery and payloadBytes are those of G.711 (RFC 3551, 4.5.14): 20 ms.
	packetEvery  = 20 * time.Millisecond
	payloadBytes = 160

	// headerBytes is a plain RTP header (RFC 3550, 5.1).
	headerBytes = 12
	rtpVersion  = 2 << 6

	// samplesPerPacket is the step of the RTP timestamp.
	samplesPerPacket = 160

	// drain is how long packets may still arrive after the last was sent.
	drain = 200 * time.Millisecond
)

// Call is one standing call: both parties' sockets, and where each sends.
type Call struct {
	A, B     *net.UDPConn
	ToA, ToB netip.AddrPort // the server's ports: where A's sound goes, and B's
	FromB    Codec          // what B says; A says PCMU

	guardA, guardB *guard
}

// Close closes both sockets.
func (c Call) Close() {
	_ = c.A.Close()
	_ = c.B.Close()
}

// Listen opens the sockets of a call on the loopback.
func Listen() (Call, error) {
	a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return Call{}, err
	}
	b, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		_ = a.Close()
		return Call{}, err
	}
	return Call{A: a, B: b}, nil
}

// Result is what became of a stream.
type Result struct {
	Sent, Received int
	Delays         []time.Duration // of the packets received, sorted
}

// Percentile is the delay that p (0 to 1) of the packets did not exceed.
func (r Result) Percentile(p float64) time.Duration {
	if len(r.Delays) == 0 {
		return 0
	}
	return r.Delays[int(p*float64(len(r.Delays)-1))]
}

// Stream sends sound in every call, both ways, for d or until ctx is done. What
// a server has decoded and encoded has lost the time in it: count its packets,
// and look at no delay.
func Stream(ctx context.Context, calls []Call, d time.Duration) (Result, error) {
	return StreamAfter(ctx, calls, 0, d, func() {})
}

// StreamAfter is Stream of which nothing counts before it has gone on for warm;
// then it calls begin.
func StreamAfter(ctx context.Context, calls []Call, warm, d time.Duration, begin func()) (Result, error) {
	start := time.Now()
	stop := start.Add(warm + d)
	timer := time.AfterFunc(warm, begin)
	defer timer.Stop()
	s := stream{start: start, stop: stop, warm: warm, delays: make([][]time.Duration, 2*len(calls)), sent: make([]int, len(calls))}
	var receivers, senders sync.WaitGroup
	for i, call := range calls {
		guards := [2]*guard{call.guardA, call.guardB}
		for side, conn := range []*net.UDPConn{call.A, call.B} {
			if err := conn.SetReadDeadline(stop.Add(drain)); err != nil {
				return Result{}, fmt.Errorf("call %d: %w", i, err)
			}
			receivers.Go(func() { s.receive(conn, guards[side], &s.delays[2*i+side]) })
		}
		senders.Go(func() { s.send(ctx, call, i) })
	}
	senders.Wait()
	receivers.Wait()
	return s.result(), nil
}

// stream is one run; each goroutine writes an element of its own.
type stream struct {
	start, stop time.Time
	warm        time.Duration
	delays      [][]time.Duration
	sent        []int
}

func (s *stream) result() Result {
	var r Result
	for _, n := range s.sent {
		r.Sent += n
	}
	r.Delays = slices.Concat(s.delays...)
	slices.Sort(r.Delays)
	r.Received = len(r.Delays)
	return r
}

// send sends one packet each way every 20 ms; calls start spread over that.
func (s *stream) send(ctx context.Context, call Call, i int) {
	offset := packetEvery * time.Duration(i) / time.Duration(len(s.sent))
	timer := time.NewTimer(offset)
	defer timer.Stop()
	a, b := newPacket(uint32(2*i+1), PCMU), newPacket(uint32(2*i+2), call.FromB)
	for next := s.start.Add(offset); next.Before(s.stop); {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		now := time.Since(s.start)
		errA := say(call.A, call.guardA, a.stamped(now), call.ToA)
		errB := say(call.B, call.guardB, b.stamped(now), call.ToB)
		if errA == nil && errB == nil && now >= s.warm {
			s.sent[i] += 2
		}
		next = next.Add(packetEvery)
		timer.Reset(time.Until(next))
	}
}

func say(conn *net.UDPConn, g *guard, b []byte, to netip.AddrPort) error {
	b, err := g.seal(b)
	if err == nil {
		_, err = conn.WriteToUDPAddrPort(b, to)
	}
	return err
}

// receive collects delays until the socket's deadline.
func (s *stream) receive(conn *net.UDPConn, g *guard, delays *[]time.Duration) {
	expected := int(s.stop.Sub(s.start)/packetEvery) + 1
	*delays = make([]time.Duration, 0, expected)
	buffer := make([]byte, datagramBytes)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		b, err := g.open(buffer[:n])
		if err != nil || len(b) != headerBytes+payloadBytes {
			continue // RTCP
		}
		sent := time.Duration(binary.BigEndian.Uint64(b[headerBytes:]))
		if sent >= s.warm {
			*delays = append(*delays, time.Since(s.start)-sent)
		}
	}
}

// packet is an RTP packet that is sent again and again.
type packet []byte

func newPacket(ssrc uint32, c Codec) packet {
	p := make(packet, headerBytes+payloadBytes)
	p[0], p[1] = rtpVersion, c.PT
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return p
}

// stamped is the next packet of its flow, with the time since start within.
func (p packet) stamped(now time.Duration) []byte {
	be := binary.BigEndian
	be.PutUint16(p[2:], be.Uint16(p[2:])+1)
	be.PutUint32(p[4:], be.Uint32(p[4:])+samplesPerPacket)
	be.PutUint64(p[headerBytes:], uint64(now))
	return p
}
