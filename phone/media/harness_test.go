package media

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
	"tincan/phone/codec/g711"
	"tincan/phone/media/rtp"
	"tincan/phone/media/secure"
	"tincan/phone/media/udp"
)

// Formats that phones agree on in tests.
var (
	pcmu    = codec.Format{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1}
	pcma    = codec.Format{PT: 8, Name: "pcma", Clock: 8000, Channels: 1}
	opus    = codec.Format{PT: 96, Name: "opus", Clock: 48000, Channels: 2}
	gsm     = codec.Format{PT: 3, Name: "gsm", Clock: 8000, Channels: 1}
	speex   = codec.Format{PT: 99, Name: "speex", Clock: 16000, Channels: 1}
	linear  = codec.Format{PT: 97, Name: "l16", Clock: 8000, Channels: 1}
	linear2 = codec.Format{PT: 98, Name: "l16", Clock: 16000, Channels: 1}
	events  = codec.Format{PT: 101, Name: codec.TelephoneEvent, Clock: 8000, Channels: 1}
	events2 = codec.Format{PT: 110, Name: codec.TelephoneEvent, Clock: 48000, Channels: 1}
)

// fakeNetwork is ports without sockets: what is sent is kept, what comes is
// handed in by the test.
type fakeNetwork struct{}

func (fakeNetwork) Open(_ netip.Addr, port uint16, _ udp.Buffers, _ udp.Handler) (Socket, error) {
	return &fakeSocket{port: port}, nil
}
func (fakeNetwork) Close() error { return nil }

type sent struct {
	control bool
	to      netip.AddrPort
	data    []byte
	at      time.Time
}

type fakeSocket struct {
	port   uint16
	from   netip.AddrPort
	data   []byte // next to be received
	out    []sent
	closed bool
}

func (s *fakeSocket) Port() uint16 { return s.port }

func (s *fakeSocket) Recv(_ bool, buf []byte) (int, netip.AddrPort, bool) {
	n := copy(buf, s.data)
	return n, s.from, true
}

func (s *fakeSocket) Send(control bool, b []byte, to netip.AddrPort) error {
	s.out = append(s.out, sent{control, to, append([]byte(nil), b...), time.Now()})
	return nil
}

func (s *fakeSocket) Close() error { s.closed = true; return nil }

// newTestEngine makes an engine without sockets, closed with the test. It
// belongs in a synctest bubble.
func newTestEngine(t *testing.T, c Config) *Engine {
	t.Helper()
	if c.First == 0 {
		c.First, c.Last = 10000, 10199
	}
	c.Network = fakeNetwork{}
	e, err := NewEngine(c)
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

// phone is a fake party that speaks RTP.
type phone struct {
	t      *testing.T
	flow   *RTP
	socket *fakeSocket
	addr   netip.AddrPort
	format codec.Format
	ptime  int

	ssrc uint32
	seq  uint16
	time uint32
	next int16 // the sample it says next: it counts

	digits  []Digit
	dead    atomic.Int32
	latched []netip.AddrPort

	key *secure.Session // its end of SRTP; nil: in the clear

	bypass func(from netip.AddrPort, b []byte) bool // what the kernel does with a packet; nil: nothing
}

func newPhone(t *testing.T, e *Engine, host string, formats ...codec.Format) *phone {
	t.Helper()
	p := &phone{
		t: t, addr: netip.MustParseAddrPort(host + ":4000"), format: formats[0], ptime: 20,
		ssrc: binary.BigEndian.Uint32([]byte(host)), seq: 100, time: 5000,
	}
	kind := Audio
	if formats[0].Clock == videoClock {
		kind = Video
	}
	var err error
	p.flow, err = e.Open(kind, netip.IPv4Unspecified(), 0, Events{
		Digit:   func(d Digit) { p.digits = append(p.digits, d) },
		Dead:    func() { p.dead.Add(1) },
		Latched: func(a netip.AddrPort) { p.latched = append(p.latched, a) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.socket = p.flow.sock.(*fakeSocket)
	p.flow.Configure(p.remote(formats...))
	return p
}

func (p *phone) remote(formats ...codec.Format) Remote {
	return Remote{RTP: p.addr, Direction: SendRecv, Formats: formats, Ptime: p.ptime}
}

// send puts a datagram on the wire.
func (p *phone) send(control bool, from netip.AddrPort, b []byte) {
	if p.key != nil {
		b = p.encrypt(b)
	}
	if p.bypass != nil && !control && p.bypass(from, b) {
		return
	}
	p.socket.from, p.socket.data = from, b
	p.flow.Readable(control, make([]byte, udp.MaxDatagram))
}

// packet makes the next RTP packet.
func (p *phone) packet(h rtp.Header, payload []byte) []byte {
	h.SSRC, h.Seq = p.ssrc, p.seq
	p.seq++
	b := make([]byte, rtp.HeaderLen+len(payload))
	rtp.Put(b, h)
	copy(b[rtp.HeaderLen:], payload)
	return b
}

// speak says the next packet of sound: samples that count up.
func (p *phone) speak() {
	n := p.ptime * int(p.format.Clock) / 1000
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = p.next
		p.next++
	}
	p.say(pcm)
}

func (p *phone) say(pcm []int16) {
	encoder, err := codec.NewEncoder(p.format)
	if err != nil {
		p.t.Fatal(err)
	}
	payload := make([]byte, 2*len(pcm))
	n, err := encoder.Encode(payload, pcm)
	if err != nil {
		p.t.Fatal(err)
	}
	p.sound(payload[:n])
}

// sound says a payload that is ptime long.
func (p *phone) sound(payload []byte) {
	p.send(false, p.addr, p.packet(rtp.Header{PT: p.format.PT, Time: p.time}, payload))
	p.time += uint32(p.ptime) * p.format.Clock / 1000
}

// press sends one packet of a telephone event that began at p.time.
func (p *phone) press(f codec.Format, e rtp.Event, first bool) {
	payload := make([]byte, rtp.EventLen)
	e.Put(payload)
	p.send(false, p.addr, p.packet(rtp.Header{PT: f.PT, Time: p.time, Marker: first}, payload))
}

// heard takes the RTP packets that were sent to the phone since the last time.
func (p *phone) heard() (packets []heardPacket) {
	p.t.Helper()
	synctest.Wait()
	p.flow.mu.Lock()
	defer p.flow.mu.Unlock()
	var rest []sent
	for _, s := range p.socket.out {
		if rtp.Classify(s.data) != rtp.Media {
			rest = append(rest, s)
			continue
		}
		if p.key != nil {
			s.data = p.decrypt(s.data)
		}
		h, payload, err := rtp.Parse(s.data)
		if err != nil {
			p.t.Fatalf("malformed packet sent: %x", s.data)
		}
		packets = append(packets, heardPacket{Header: h, payload: payload, sent: s})
	}
	p.socket.out = rest
	return packets
}

// control takes the RTCP datagrams likewise.
func (p *phone) control() (datagrams []sent) {
	synctest.Wait()
	p.flow.mu.Lock()
	defer p.flow.mu.Unlock()
	datagrams, p.socket.out = p.socket.out, nil
	return datagrams
}

type heardPacket struct {
	rtp.Header
	payload []byte
	sent    sent
}

func (p heardPacket) pcm(f codec.Format) []int16 {
	d, err := codec.NewDecoder(f)
	if err != nil {
		panic(err)
	}
	out := make([]int16, 8192)
	n, err := d.Decode(out, p.payload)
	if err != nil {
		panic(err)
	}
	return out[:n]
}

// listener checks that what a phone hears is one unbroken stream.
type listener struct {
	format codec.Format
	begun  bool
	last   heardPacket
	next   uint32 // time at which the last packet has been played
	pcm    []int16
	gaps   []uint32 // ticks that were not covered
}

// hear takes packets: SSRC kept, sequence without hole, time never back.
func (l *listener) hear(t *testing.T, packets []heardPacket) {
	t.Helper()
	for _, p := range packets {
		if p.PT != l.format.PT {
			t.Fatalf("payload type %d, want %d", p.PT, l.format.PT)
		}
		if l.begun {
			l.check(t, p)
		}
		pcm := p.pcm(l.format)
		l.begun, l.last = true, p
		l.next = p.Time + uint32(len(pcm))
		l.pcm = append(l.pcm, pcm...)
	}
}

func (l *listener) check(t *testing.T, p heardPacket) {
	t.Helper()
	if p.SSRC != l.last.SSRC {
		t.Errorf("SSRC jumps from %08x to %08x", l.last.SSRC, p.SSRC)
	}
	if p.Seq != l.last.Seq+1 {
		t.Errorf("sequence jumps from %d to %d", l.last.Seq, p.Seq)
	}
	gap := int32(p.Time - l.next)
	if gap < 0 {
		t.Errorf("time overlaps by %d ticks at sequence %d", -gap, p.Seq)
	}
	if gap > 0 {
		l.gaps = append(l.gaps, uint32(gap))
	}
}

// counts checks that samples count up without a repeat or a loss.
func (l *listener) counts(t *testing.T, first int16) {
	t.Helper()
	for i, s := range l.pcm {
		if want := first + int16(i); s != want {
			t.Fatalf("sample %d is %d, want %d", i, s, want)
		}
	}
}

// iaxLeg is a fake flow in the manner of IAX2: no SSRC, no sequence, times in
// milliseconds of which mini frames carry 16 bits.
type iaxLeg struct {
	engine *Engine
	route  Sink
	sent   uint32 // ms, of what the party says
	full   uint32 // upper half of the time, from the last full frame

	frames []iaxFrame
}

type iaxFrame struct {
	full    bool
	ms      uint32 // 16 bits in a mini frame
	payload []byte
}

func (l *iaxLeg) Engine() *Engine { return l.engine }
func (l *iaxLeg) Route(to Sink)   { l.route = to }
func (l *iaxLeg) Terms() Terms {
	return Terms{Kind: Audio, Sends: []codec.Format{pcmu}, Accepts: []codec.Format{pcmu}}
}

// Deliver turns a packet into a frame: full when the upper half changes.
func (l *iaxLeg) Deliver(p *Packet) {
	ms := p.Time / 8
	f := iaxFrame{full: len(l.frames) == 0 || ms>>16 != l.full>>16, ms: ms & 0xffff, payload: append([]byte(nil), p.Payload...)}
	if f.full {
		f.ms, l.full = ms, ms
	}
	l.frames = append(l.frames, f)
}

// speak receives a frame of 20 ms from the party.
func (l *iaxLeg) speak(sample byte) {
	payload := make([]byte, 160)
	for i := range payload {
		payload[i] = sample
	}
	f := pcmu
	if l.route != nil {
		l.route.Deliver(&Packet{Format: &f, Payload: payload, Time: l.sent * 8, Arrival: l.engine.Now()})
	}
	l.sent += 20
}

// silence is what zero is in mu-law.
var silence = g711.EncodeMu(0)
