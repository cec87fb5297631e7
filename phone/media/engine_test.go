package media

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// realEngine has sockets of the machine.
func realEngine(t testing.TB) *Engine {
	t.Helper()
	e, err := NewEngine(Config{First: 20000, Last: 40000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// party is a socket that a phone could have, and the flow for it.
type party struct {
	conn *net.UDPConn
	flow *RTP
	to   netip.AddrPort
}

func newParty(t testing.TB, e *Engine, at netip.Addr) *party {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		t.Skipf("no socket on %v: %v", at, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	flow, err := e.Open(Audio, at, 0, Events{})
	if err != nil {
		t.Fatal(err)
	}
	here := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	flow.Configure(Remote{RTP: here, Mux: true, Direction: SendRecv, Formats: testFormats})
	return &party{conn, flow, netip.AddrPortFrom(at, flow.Port())}
}

var testFormats = []codec.Format{pcmu}

func (p *party) exchange(t testing.TB, other *party, out, in []byte) []byte {
	if _, err := p.conn.WriteToUDPAddrPort(out, p.to); err != nil {
		t.Fatal(err)
	}
	n, _, err := other.conn.ReadFromUDPAddrPort(in)
	if err != nil {
		t.Fatal(err)
	}
	return in[:n]
}

func TestRelayThroughRealSockets(t *testing.T) {
	for _, at := range []netip.Addr{loopback, netip.IPv6Loopback()} {
		t.Run(at.String(), func(t *testing.T) {
			e := realEngine(t)
			a, b := newParty(t, e, at), newParty(t, e, at)
			Join(a.flow, b.flow)
			out, in := make([]byte, 172), make([]byte, 2000)
			for i := range 50 {
				rtp.Put(out, rtp.Header{Seq: uint16(i), Time: uint32(160 * i), SSRC: 9})
				for _, way := range [][2]*party{{a, b}, {b, a}} {
					if got := way[0].exchange(t, way[1], out, in); !bytes.Equal(got, out) {
						t.Fatalf("packet %d came as %x", i, got)
					}
				}
			}
			// RTCP, from a's second port to b's only one.
			report := (&rtp.Report{SSRC: 9, CNAME: "a"}).Append(nil)
			a.to = netip.AddrPortFrom(a.to.Addr(), a.to.Port()+1)
			if got := a.exchange(t, b, report, in); !bytes.Equal(got, report) {
				t.Errorf("RTCP came as %x", got)
			}
		})
	}
}

// From datagram in to datagram out nothing is allocated, through the real
// sockets and all.
func TestRelayAllocatesNothing(t *testing.T) {
	e := realEngine(t)
	a, b := newParty(t, e, loopback), newParty(t, e, loopback)
	bridge := Join(a.flow, b.flow)
	out, in := make([]byte, 172), make([]byte, 2000)
	seq := uint16(0)
	relay := func() {
		rtp.Put(out, rtp.Header{Seq: seq, Time: uint32(seq) * 160, SSRC: 9})
		seq++
		a.exchange(t, b, out, in)
	}
	relay()
	if n := testing.AllocsPerRun(200, relay); n != 0 {
		t.Errorf("transparent: %v allocations a packet", n)
	}
	bridge.Mute(0, true)
	bridge.Mute(0, false)
	relay()
	if n := testing.AllocsPerRun(200, relay); n != 0 {
		t.Errorf("rewriting: %v allocations a packet", n)
	}
}

func TestTranscodeAllocatesNothing(t *testing.T) {
	e := realEngine(t)
	a, b := newParty(t, e, loopback), newParty(t, e, loopback)
	Join(a.flow, b.flow).Need(WayTranscode)
	out, in := make([]byte, 172), make([]byte, 2000)
	seq := uint16(0)
	if n := testing.AllocsPerRun(200, func() {
		rtp.Put(out, rtp.Header{Seq: seq, Time: uint32(seq) * 160, SSRC: 9})
		seq++
		a.exchange(t, b, out, in)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestClosedPortIsFree(t *testing.T) {
	e := realEngine(t)
	flow, err := e.Open(Audio, loopback, 0, Events{})
	if err != nil {
		t.Fatal(err)
	}
	flow.Close()
	for _, port := range []uint16{flow.Port(), flow.Port() + 1} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, port)))
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		_ = conn.Close()
	}
}

// loop is a bridge without sockets: what the logic of a packet costs.
func loop(b *testing.B, need Way) (deliver func()) {
	e, err := NewEngine(Config{First: 10000, Last: 10100, Network: fakeNetwork{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	open := func() *RTP {
		r, err := e.Open(Audio, loopback, 0, Events{})
		if err != nil {
			b.Fatal(err)
		}
		r.sock = &idleSocket{from: netip.AddrPortFrom(loopback, 9)}
		r.Configure(Remote{RTP: netip.AddrPortFrom(loopback, 9), Direction: SendRecv, Formats: testFormats})
		return r
	}
	x, y := open(), open()
	Join(x, y).Need(need)
	in, buf := x.sock.(*idleSocket), make([]byte, 2000)
	in.data = make([]byte, 172)
	seq := uint16(0)
	return func() {
		rtp.Put(in.data, rtp.Header{Seq: seq, Time: uint32(seq) * 160, SSRC: 9})
		seq++
		x.Readable(false, buf)
	}
}

// idleSocket has always the same to give, and forgets what it gets.
type idleSocket struct {
	from netip.AddrPort
	data []byte
}

func (s *idleSocket) Port() uint16 { return 0 }
func (s *idleSocket) Recv(_ bool, buf []byte) (int, netip.AddrPort, bool) {
	return copy(buf, s.data), s.from, true
}
func (s *idleSocket) Send(bool, []byte, netip.AddrPort) error { return nil }
func (s *idleSocket) Close() error                            { return nil }

func BenchmarkRelay(b *testing.B) {
	deliver := loop(b, WayRelay)
	b.ReportAllocs()
	for b.Loop() {
		deliver()
	}
}

func BenchmarkTranscode(b *testing.B) {
	deliver := loop(b, WayTranscode)
	b.ReportAllocs()
	for b.Loop() {
		deliver()
	}
}

func BenchmarkRelaySockets(b *testing.B) {
	e := realEngine(b)
	x, y := newParty(b, e, loopback), newParty(b, e, loopback)
	Join(x.flow, y.flow)
	out, in := make([]byte, 172), make([]byte, 2000)
	rtp.Put(out, rtp.Header{SSRC: 9})
	b.ReportAllocs()
	for b.Loop() {
		x.exchange(b, y, out, in)
	}
}

// BenchmarkTranscodePairs gives how many calls, both ways, one core decodes and
// encodes, sockets apart.
func BenchmarkTranscodePairs(b *testing.B) {
	formats := []codec.Format{pcmu, pcma, g722, opus, gsm, speex}
	for i, one := range formats {
		for _, other := range formats[i+1:] {
			b.Run(one.Name+"-"+other.Name, func(b *testing.B) {
				there, back := transcoding(b, one, other), transcoding(b, other, one)
				for b.Loop() {
					there()
					back()
				}
				b.ReportMetric(float64(20*time.Millisecond)*float64(b.N)/float64(b.Elapsed()), "calls/core")
			})
		}
	}
}

// transcoding gives what carries one packet.
func transcoding(b *testing.B, from, to codec.Format) func() {
	encoder, err := codec.NewEncoder(from)
	if err != nil {
		b.Skip(err)
	}
	rate := mixRate([2]Terms{{Sends: []codec.Format{from}}, {Sends: []codec.Format{to}}})
	ear, err := newEar(Terms{Sends: []codec.Format{from}}, rate, nil)
	if err != nil {
		b.Skip(err)
	}
	mouth, err := newMouth(sinkhole{}, Terms{Accepts: []codec.Format{to}}, rate)
	if err != nil {
		b.Skip(err)
	}
	payload, voice := make([]byte, 4000), voiceLike()[8000:8000+encoder.Rate()/50]
	n, err := encoder.Encode(payload, voice)
	if err != nil {
		b.Fatal(err)
	}
	p, seq := Packet{}, uint16(0)
	return func() {
		p = Packet{
			Format: &from, Payload: payload[:n], datagram: payload, seq: seq,
			Time: uint32(seq) * from.Clock / 50, Arrival: time.Duration(seq) * 20 * time.Millisecond,
		}
		(&transcoder{ear, mouth}).Deliver(&p)
		seq++
	}
}
