package iax2

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
	"tincan/phone/media"
	"tincan/phone/media/udp"
)

// nowhere is a socket whose datagrams are counted and forgotten.
type nowhere struct{ sent int }

func (*nowhere) Local() netip.AddrPort            { return netip.MustParseAddrPort(atA) }
func (*nowhere) Recv([]udp.Datagram) (int, error) { select {} }
func (c *nowhere) Send(list []udp.Datagram) error { c.sent += len(list); return nil }
func (*nowhere) Close() error                     { return nil }

// relayed is a call between two parties of one port, and what the first says: a mini
// frame, ready to be taken.
func relayed(t testing.TB, sealed, bundled bool) (take func(), sent *nowhere) {
	t.Helper()
	engine, err := media.NewEngine(media.Config{First: 10000, Last: 10100, Network: noPorts{}})
	if err != nil {
		t.Fatal(err)
	}
	sent = &nowhere{}
	s := New(Config{Media: engine, Logger: slog.New(slog.DiscardHandler)}, Settings{})
	p := newPort(sent)
	flows := [2]*flow{}
	for i := range flows {
		x := s.newSession(path{port: p, peer: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), uint16(5000+i))}, uint16(100+i), false)
		l := &leg{x: x, calledIn: true, accepted: true, stage: up}
		x.party, l.flow = l, newFlow(l)
		if !s.sessions.add(x) {
			t.Fatal("no room for a session")
		}
		if sealed {
			x.encrypt([]byte("challenge"), "secret", ours)
		}
		x.flow.Store(l.flow)
		l.flow.choose(frame.PCMA, nil)
		l.flow.bundled = bundled
		flows[i] = l.flow
	}
	bridge := media.Join(flows[0], flows[1])
	t.Cleanup(func() {
		bridge.Close()
		close(s.stop)
		s.tasks.Wait()
		for _, x := range s.sessions.all() {
			x.mu.Lock()
			x.end()
			x.unlock()
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	from := flows[0].x.path
	flows[0].full(sound{time: 20, format: frame.PCMA, payload: make([]byte, 160)})
	plain := frame.AppendMini(nil, frame.Mini{Source: 100, Time: 40, Payload: make([]byte, 160)})
	datagram := make([]byte, 0, 300)
	cipher := proof.NewCipher(proof.SessionKey([]byte("challenge"), "secret"))
	return func() {
		datagram = append(datagram[:0], plain...)
		if sealed {
			if datagram, err = cipher.Seal(datagram[:0], plain); err != nil {
				t.Fatal(err)
			}
		}
		s.mini(datagram, from)
	}, sent
}

func TestRelayAllocatesNothing(t *testing.T) {
	for name, way := range map[string][2]bool{"alone": {false, false}, "bundled": {false, true}, "sealed": {true, false}, "sealed, bundled": {true, true}} {
		t.Run(name, func(t *testing.T) {
			take, sent := relayed(t, way[0], way[1])
			for range 100 {
				take()
			}
			if n := testing.AllocsPerRun(1000, take); n >= 1 {
				t.Errorf("%v allocations a frame", n)
			}
			if sent.sent == 0 {
				t.Error("nothing was sent")
			}
		})
	}
}

func BenchmarkRelay(b *testing.B) {
	for name, way := range map[string][2]bool{"alone": {false, false}, "bundled": {false, true}, "sealed": {true, false}} {
		b.Run(name, func(b *testing.B) {
			take, _ := relayed(b, way[0], way[1])
			b.ReportAllocs()
			for b.Loop() {
				take()
			}
		})
	}
}

// FuzzTimes: whatever order 16 bits of time come in, the whole is the nearest to the
// last, and a full frame sets it right.
func FuzzTimes(f *testing.F) {
	f.Add(uint32(65530), uint16(4))
	f.Add(uint32(65540), uint16(65535))
	f.Add(uint32(1<<31), uint16(0))
	f.Fuzz(func(t *testing.T, last uint32, low uint16) {
		in := inward{any: true, time: last}
		got := in.wide(low)
		if uint16(got) != low {
			t.Errorf("%d has other lower bits than %d", got, low)
		}
		if d := int32(got - last); d > 1<<15 || d < -1<<15 {
			t.Errorf("%d is %d ms from %d", got, d, last)
		}
	})
}

// film is a party of pictures on the other side of a bridge.
type film struct {
	mu     sync.Mutex // guards got and asked
	got    []media.Packet
	asked  int
	route  media.Sink
	engine *media.Engine
}

func (f *film) Engine() *media.Engine { return f.engine }
func (f *film) Route(to media.Sink)   { f.route = to }
func (f *film) WantPicture() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
}

// seen gives the packets so far, and how often a whole picture was asked for since.
func (f *film) seen() (got []media.Packet, asked int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	got, asked = slices.Clone(f.got), f.asked
	f.asked = 0
	return got, asked
}

func (f *film) Terms() media.Terms {
	vp8, _ := frame.VP8.Codec()
	return media.Terms{Kind: media.Video, Sends: []codec.Format{vp8}, Accepts: []codec.Format{vp8}}
}

func (f *film) Deliver(p *media.Packet) {
	kept := *p
	kept.Payload = slices.Clone(p.Payload)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, kept)
}

// TestPictures cross between IAX2 and another protocol: times of 15 bits, the mark, and
// wishes to see a whole one.
func TestPictures(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		yes := "off"
		a, b := pair(t, net, func(a, b *options) {
			a.trunks[0].Encryption, b.trunks[0].Encryption = yes, yes
		})
		stands(t, a, b, pcma)
		var films [2]*film
		for i, h := range []*house{a, b} {
			l := h.leg(t)
			l.x.mu.Lock()
			l.watch()
			l.pictures.choose(frame.VP8)
			l.x.mu.Unlock()
			films[i] = &film{engine: h.media}
			bridge := media.Join(films[i], l.pictures)
			defer bridge.Close()
		}
		time.Sleep(time.Second)
		films[0].seen()
		const frames, pieces = 500, 3 // 50 s at 10 a second
		for n := range frames {
			for piece := range pieces {
				f := films[0].Terms().Sends[0]
				films[0].route.Deliver(&media.Packet{
					Format: &f, Payload: fmt.Appendf(nil, "%d.%d", n, piece), Time: uint32(n) * 9000, Marker: piece == pieces-1,
				})
				time.Sleep(time.Millisecond) // they do not overtake each other
			}
			time.Sleep(97 * time.Millisecond)
		}
		got, _ := films[1].seen()
		films[0].seen()
		if len(got) != frames*pieces {
			t.Fatalf("%d packets of %d came", len(got), frames*pieces)
		}
		for i, p := range got {
			if want := fmt.Sprintf("%d.%d", i/pieces, i%pieces); string(p.Payload) != want {
				t.Fatalf("packet %d is %q, want %q", i, p.Payload, want)
			}
			if p.Marker != (i%pieces == pieces-1) {
				t.Fatalf("packet %d has mark %v", i, p.Marker)
			}
			if step := p.Time - got[0].Time; step != uint32(i/pieces)*9000 {
				t.Fatalf("packet %d is %d ticks after the first, want %d", i, step, i/pieces*9000)
			}
		}
		b.say(t, frame.Full{Type: frame.ControlFrame, Subclass: frame.Subclass(frame.VideoUpdate)})
		time.Sleep(time.Second)
		if _, asked := films[0].seen(); asked != 1 {
			t.Errorf("A's other party was asked for a whole picture %d times, want once", asked)
		}
	})
}
