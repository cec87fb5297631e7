package ice

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media"
	"tincan/phone/media/udp"
)

// lan is a network in memory, for virtual time: datagrams go from port to port,
// unless a firewall drops them.
type lan struct {
	mu       sync.Mutex
	ports    map[netip.AddrPort]*wire
	firewall func(from, to netip.AddrPort) bool // true: dropped
}

func newLAN() *lan { return &lan{ports: map[netip.AddrPort]*wire{}} }

// at is the network as one machine has it (media.Network).
type at struct{ *lan }

type letter struct {
	from netip.AddrPort
	b    []byte
}

// wire is one pair of ports on the lan.
type wire struct {
	lan  *lan
	addr netip.Addr
	port uint16
	in   [2]chan letter
	next letter // being read
	done chan struct{}
}

func (a at) Open(bind netip.Addr, number uint16, _ udp.Buffers, h udp.Handler) (media.Socket, error) {
	w := &wire{lan: a.lan, addr: bind, port: number, done: make(chan struct{})}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range w.in {
		w.in[i] = make(chan letter, 100)
		a.ports[netip.AddrPortFrom(bind, number+uint16(i))] = w
	}
	go w.run(h) // until Close; the bubble waits for it
	return w, nil
}

func (at) Close() error { return nil }

func (w *wire) run(h udp.Handler) {
	buf := make([]byte, 2000)
	for {
		select {
		case <-w.done:
			return
		case w.next = <-w.in[0]:
			h.Readable(false, buf)
		case w.next = <-w.in[1]:
			h.Readable(true, buf)
		}
	}
}

func (w *wire) Port() uint16 { return w.port }

func (w *wire) Recv(_ bool, buf []byte) (int, netip.AddrPort, bool) {
	return copy(buf, w.next.b), w.next.from, w.next.b != nil
}

func (w *wire) Send(control bool, b []byte, to netip.AddrPort) error {
	w.lan.carry(netip.AddrPortFrom(w.addr, w.port+uint16(index(control))), to, b)
	return nil
}

func (w *wire) Close() error {
	w.lan.mu.Lock()
	defer w.lan.mu.Unlock()
	delete(w.lan.ports, netip.AddrPortFrom(w.addr, w.port))
	delete(w.lan.ports, netip.AddrPortFrom(w.addr, w.port+1))
	close(w.done)
	return nil
}

func (l *lan) carry(from, to netip.AddrPort, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.ports[to]
	if w == nil || l.firewall != nil && l.firewall(from, to) {
		return
	}
	select {
	case w.in[to.Port()-w.port] <- letter{from, append([]byte(nil), b...)}:
	default:
	}
}

// machine is a Tincan on the lan.
type machine struct {
	t      *testing.T
	addr   netip.Addr
	engine *media.Engine
	host   *Host
	port   uint16 // of the next flow; 0: any
}

func newMachine(t *testing.T, l *lan, addr string, c Config) *machine {
	t.Helper()
	e, err := media.NewEngine(media.Config{First: 10000, Last: 10099, Network: at{l}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHost(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return &machine{t: t, addr: netip.MustParseAddr(addr), engine: e, host: h}
}

// party is a flow of a machine with its socket, and what it heard.
type party struct {
	*machine
	flow    *media.RTP
	socket  *Socket
	heard   chan []byte
	failure chan string
	seq     uint16
}

func (m *machine) open(o Options) *party {
	m.t.Helper()
	f, err := m.engine.Open(media.Audio, m.addr, m.port, media.Events{})
	if err != nil {
		m.t.Fatal(err)
	}
	p := &party{machine: m, flow: f, heard: make(chan []byte, 1000), failure: make(chan string, 4)}
	o.Bind, o.Failed = m.addr, func(v string, _ bool) { p.failure <- v }
	if p.socket, err = m.host.Open(f, o); err != nil {
		m.t.Fatal(err)
	}
	f.Configure(media.Remote{Direction: media.SendRecv, Formats: []codec.Format{mulaw}})
	f.Route(p)
	return p
}

var mulaw = codec.Format{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1}

// Deliver keeps what the party was sent (media.Sink).
func (p *party) Deliver(pkt *media.Packet) {
	if pkt.Type == media.Media {
		p.heard <- append([]byte(nil), pkt.Payload...)
	}
}

// say sends a packet to the party at the other end.
func (p *party) say(word string) {
	p.flow.Deliver(&media.Packet{Format: &mulaw, Payload: []byte(word), Source: run, Time: uint32(p.seq) * 160, Arrival: p.engine.Now()})
	p.seq++
}

var run = new(media.Run)

func hears(t *testing.T, p *party, word string) {
	t.Helper()
	select {
	case got := <-p.heard:
		if string(got) != word {
			t.Errorf("heard %q, want %q", got, word)
		}
	case <-time.After(time.Second):
		t.Errorf("%q was not heard", word)
	}
}

// join makes both look for each other: a has offered.
func join(t *testing.T, a, b *party, mux bool) {
	t.Helper()
	<-a.socket.Gathered()
	<-b.socket.Gathered()
	offer, answer := a.socket.Local(), b.socket.Local()
	if err := b.socket.Start(offer, false, mux); err != nil {
		t.Fatal(err)
	}
	if err := a.socket.Start(answer, true, mux); err != nil {
		t.Fatal(err)
	}
}

func talk(t *testing.T, a, b *party) {
	t.Helper()
	a.say("from a")
	hears(t, b, "from a")
	b.say("from b")
	hears(t, a, "from b")
}
