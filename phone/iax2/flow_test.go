package iax2

import (
	"log/slog"
	"net/netip"
	"testing"

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
	flows[0].full(sound{20, frame.PCMA, make([]byte, 160)})
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
