package media

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/media/kernel"
	"tincan/phone/media/rtp"
)

// kernelWorld is two phones whose packets meet a simulated kernel first.
type kernelWorld struct {
	t      *testing.T
	kernel *kernel.Simulated
	engine *Engine
	a, b   *phone
	bridge *Bridge

	passed int // packets that the kernel carried
}

// kernelStart is what the kernel's clock shows when the engine starts.
const kernelStart = time.Hour

func newKernelWorld(t *testing.T) *kernelWorld {
	t.Helper()
	w := &kernelWorld{t: t}
	start := time.Now()
	w.kernel = kernel.NewSimulated(10000, 100, func() time.Duration { return kernelStart + time.Since(start) })
	w.engine = newTestEngine(t, Config{Kernel: w.kernel, Timeout: 10 * time.Second})
	w.a, w.b = w.phone("192.0.2.1"), w.phone("192.0.2.2")
	w.bridge = Join(w.a.flow, w.b.flow)
	return w
}

// phone is one whose flow is bound to one address, as the kernel needs it.
func (w *kernelWorld) phone(host string) *phone {
	p := newPhone(w.t, w.engine, host, linear, events)
	p.flow.bind = netip.MustParseAddr("198.51.100.1")
	p.bypass = func(from netip.AddrPort, b []byte) bool { return w.pass(p, from, b) }
	return p
}

// pass gives a packet to the kernel, and what it says to the phone it is for.
func (w *kernelWorld) pass(p *phone, from netip.AddrPort, b []byte) bool {
	out, to, ok := w.kernel.Pass(p.flow.Port(), from, b)
	if !ok {
		return false
	}
	w.passed++
	for _, other := range []*phone{w.a, w.b} {
		if other.addr == to {
			other.flow.mu.Lock()
			other.socket.out = append(other.socket.out, sent{to: to, data: out, at: time.Now()})
			other.flow.mu.Unlock()
		}
	}
	return true
}

// talk has both say packets of 20 ms for a time.
func (w *kernelWorld) talk(d time.Duration) {
	for range int(d / (20 * time.Millisecond)) {
		w.a.speak()
		w.b.speak()
		time.Sleep(20 * time.Millisecond)
	}
	synctest.Wait()
}

// lifted talks until the kernel carries both ways.
func (w *kernelWorld) lifted() {
	w.t.Helper()
	w.talk(2500 * time.Millisecond)
	if way := w.bridge.Way(); way != WayKernel {
		w.t.Fatalf("way %v, want the kernel: %s", way, w.why())
	}
}

func (w *kernelWorld) why() string {
	_, why := w.bridge.Carried()
	return why
}

// TestKernelCarriesWhatIsRelayed: counts, line and silence are as if the packets
// had gone through the process.
func TestKernelCarriesWhatIsRelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		before := w.passed
		w.talk(20 * time.Second) // longer than the silence that is death
		if got := w.passed - before; got != 2000 {
			t.Errorf("the kernel carried %d packets of 2000", got)
		}
		s := w.a.flow.Stats()
		said := uint64(w.a.seq - 100)
		if s.In.Packets != said || s.In.Octets != 320*said || s.Lost != 0 || s.Way != WayKernel {
			t.Errorf("counted in %+v, %d lost, way %v, want %d packets", s.In, s.Lost, s.Way, said)
		}
		if s.Jitter > 0.2 || s.LastArrival < 0 || s.LastArrival > 20*time.Millisecond {
			t.Errorf("jitter %v ms, heard %v ago", s.Jitter, s.LastArrival)
		}
		if out := w.b.flow.Stats().Out; out.Packets != said {
			t.Errorf("counted out %+v, want %d packets", out, said)
		}
		if w.a.dead.Load()+w.b.dead.Load() != 0 {
			t.Error("a party was taken for dead")
		}
		hears := listener{format: linear}
		hears.hear(t, w.b.heard())
		hears.counts(t, 0)

		for range 20 * 50 { // b speaks on, a is silent
			w.b.speak()
			time.Sleep(20 * time.Millisecond)
		}
		if w.a.dead.Load() != 1 || w.b.dead.Load() != 0 {
			t.Errorf("dead were told %d and %d times, want the silent one once", w.a.dead.Load(), w.b.dead.Load())
		}
	})
}

// TestKernelCountsLoss: what the sender lost on the way is in the statistics.
func TestKernelCountsLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		w.a.seq += 7
		w.talk(2 * time.Second)
		w.a.seq += 65500 - w.a.seq // a jump: up to the process, and lifted again
		w.talk(10 * time.Second)   // over the end of the sequence numbers
		if way := w.bridge.Way(); way != WayKernel {
			t.Errorf("way %v: %s", way, w.why())
		}
		if s := w.a.flow.Stats(); s.Lost != 7 {
			t.Errorf("%d lost, want 7", s.Lost)
		}
		w.a.flow.mu.Lock()
		defer w.a.flow.mu.Unlock()
		if runs := w.a.flow.rx.runs; runs != 1 {
			t.Errorf("%d runs of losses, want 1", runs)
		}
	})
}

// TestDigitsComeUp: telephone events go through the process and reach the other
// in sequence; those that nobody takes are told.
func TestDigitsComeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		w.b.heard()
		for i := range uint16(5) {
			w.a.press(events, rtp.Event{Code: 5, End: i > 2, Duration: 160 * (i + 1)}, i == 0)
			time.Sleep(20 * time.Millisecond)
		}
		w.a.time += 5 * 160
		w.talk(time.Second)
		var codes int
		next := w.a.seq - 55
		for _, p := range w.b.heard() {
			if p.Seq != next {
				t.Errorf("sequence %d, want %d", p.Seq, next)
			}
			if next++; p.PT == events.PT {
				codes++
			}
		}
		if codes != 5 || w.bridge.Way() != WayKernel {
			t.Errorf("%d packets of the digit, want 5; way %v", codes, w.bridge.Way())
		}
		if s := w.a.flow.Stats(); s.Lost != 0 || w.a.flow.rx.runs != 0 {
			t.Errorf("%d lost in %d runs", s.Lost, w.a.flow.rx.runs)
		}
	})
}

// TestOwnDigitTakesTheStreamBack: a digit made here renumbers the line; the
// kernel carries it again after.
func TestOwnDigitTakesTheStreamBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		first := w.b.heard()
		w.b.flow.SendDigit(Digit{Rune: '7'})
		w.talk(4 * time.Second)
		if way := w.bridge.Way(); way != WayKernel {
			t.Errorf("way %v: %s", way, w.why())
		}
		last := first[len(first)-1]
		for _, p := range w.b.heard() {
			if p.Seq != last.Seq+1 || p.SSRC != last.SSRC || int32(p.Time-last.Time) < 0 {
				t.Fatalf("after %+v comes %+v", last.Header, p.Header)
			}
			last = p
		}
	})
}

// TestRecordingTakesTheStreamBack: going to the mixer and back is one stream for
// who hears it.
func TestRecordingTakesTheStreamBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		hears := listener{format: linear}
		for range 3 {
			w.lifted()
			w.bridge.Need(WayMix)
			w.talk(2 * time.Second)
			if way := w.bridge.Way(); way != WayMix {
				t.Fatalf("way %v, want the mix", way)
			}
			w.bridge.Need(WayNone)
			w.lifted()
			hears.hear(t, w.b.heard())
		}
		for _, gap := range hears.gaps {
			if gap > 320 {
				t.Errorf("a hole of %d ticks", gap)
			}
		}
	})
}

// TestNewAddressTakesTheStreamBack: the phone's router changes its mapping.
func TestNewAddressTakesTheStreamBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		for range 150 { // silent for 3 s
			w.b.speak()
			time.Sleep(20 * time.Millisecond)
		}
		w.a.addr = netip.MustParseAddrPort("192.0.2.1:5555")
		w.lifted()
		if got := w.a.flow.Stats().Remote; got != w.a.addr {
			t.Errorf("latched to %v, want %v", got, w.a.addr)
		}
		w.a.heard()
		w.talk(time.Second)
		if n := len(w.a.heard()); n != 50 {
			t.Errorf("heard %d packets at the new address, want 50", n)
		}
	})
}

// TestWhatKeepsFromTheKernel: each with its reason, and the way back.
func TestWhatKeepsFromTheKernel(t *testing.T) {
	cases := map[string]struct {
		begin, end func(*kernelWorld)
		why        string
	}{
		"muted": {
			func(w *kernelWorld) { w.bridge.Mute(0, true) }, func(w *kernelWorld) { w.bridge.Mute(0, false) }, "",
		},
		"held": {
			func(w *kernelWorld) {
				r := w.a.remote(linear, events)
				r.Direction = SendOnly
				w.a.flow.Configure(r)
			},
			func(w *kernelWorld) { w.a.flow.Configure(w.a.remote(linear, events)) },
			whyDeaf,
		},
		"another SSRC": {func(w *kernelWorld) { w.a.ssrc++ }, func(*kernelWorld) {}, whyUnsettle},
		"not seen by the kernel": {
			func(w *kernelWorld) { w.a.bypass = nil },
			func(w *kernelWorld) {
				w.a.bypass = func(from netip.AddrPort, b []byte) bool { return w.pass(w.a, from, b) }
				w.a.flow.Configure(w.a.remote(linear, events))
			},
			whyUnseen,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newKernelWorld(t)
				w.lifted()
				c.begin(w)
				if name == "not seen by the kernel" {
					w.talk(10 * time.Second)
				} else {
					w.talk(100 * time.Millisecond)
				}
				if name == "another SSRC" {
					w.talk(400 * time.Millisecond)
				} else if why := w.why(); why != c.why && name == "not seen by the kernel" {
					t.Errorf("reason %q, want %q", why, c.why)
				}
				if way := w.bridge.Way(); way != WayRelay {
					t.Errorf("way %v, want the relay", way)
				}
				c.end(w)
				w.lifted()
			})
		})
	}
}

// TestRestartGoesOnInTheKernel: what the earlier process left is gone on with,
// counted, and taken back without a jump.
func TestRestartGoesOnInTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		states := [2]RTPState{{Port: w.a.flow.Port()}, {Port: w.b.flow.Port()}} // as of the answer
		w.b.flow.SendDigit(Digit{Rune: '7'})                                    // changes the line, and nobody writes that down
		w.talk(500 * time.Millisecond)
		w.lifted()
		w.b.heard()
		said := w.a.next
		hears := listener{format: linear}
		w.talk(time.Second)
		hears.hear(t, w.b.heard())

		// The next process: the first never closed its flows.
		next := &kernelWorld{t: t, kernel: w.kernel.Restarted()}
		next.engine = newTestEngine(t, Config{Kernel: next.kernel, Timeout: 10 * time.Second})
		for i, p := range []*phone{w.a, w.b} {
			flow, err := next.engine.Open(Audio, netip.MustParseAddr("198.51.100.1"), states[i].Port, Events{Dead: func() { p.dead.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			flow.Configure(p.remote(linear, events))
			flow.Restore(states[i])
			p.flow, p.socket = flow, flow.sock.(*fakeSocket)
			p.bypass = func(from netip.AddrPort, b []byte) bool { return next.pass(p, from, b) }
		}
		next.a, next.b = w.a, w.b
		next.bridge = Join(next.a.flow, next.b.flow)
		next.engine.Adopted()
		if way := next.bridge.Way(); way != WayKernel {
			t.Fatalf("way %v after the restart: %s", way, next.why())
		}
		next.talk(5 * time.Second)
		if next.passed != 500 {
			t.Errorf("the kernel carried %d packets, want 500", next.passed)
		}
		if s := next.a.flow.Stats(); s.Lost != 0 || int(s.In.Packets) < next.passed/2 {
			t.Errorf("counted %+v, %d lost, want more than %d", s.In, s.Lost, next.passed/2)
		}
		next.bridge.Need(WayTranscode)
		next.talk(2 * time.Second)
		next.bridge.Need(WayNone)
		next.lifted()
		hears.hear(t, next.b.heard())
		hears.counts(t, said)
	})
}

// TestOrphansAreStopped: nobody adopts the call.
func TestOrphansAreStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		next := w.kernel.Restarted()
		b := w.a.packet(rtp.Header{PT: linear.PT, Time: w.a.time}, nil)
		if _, _, ok := next.Pass(w.a.flow.Port(), w.a.addr, b); !ok {
			t.Error("the kernel does not carry on while the process is gone")
		}
		newTestEngine(t, Config{Kernel: next}).Adopted()
		if _, _, ok := next.Pass(w.a.flow.Port(), w.a.addr, b); ok {
			t.Error("the kernel carries on")
		}
	})
}

// TestReasonWithoutKernel: who asked for it is told why there is none.
func TestReasonWithoutKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{NoKernel: "the kernel refuses programs (EPERM)"})
		a, b := newPhone(t, e, "192.0.2.1", linear), newPhone(t, e, "192.0.2.2", linear)
		bridge := Join(a.flow, b.flow)
		for range 100 {
			a.speak()
			b.speak()
			time.Sleep(20 * time.Millisecond)
		}
		if way, why := bridge.Carried(); way != WayRelay || why != "the kernel refuses programs (EPERM)" {
			t.Errorf("way %v, %q", way, why)
		}
	})
}

// TestLiftedAllocatesNothing: asking for statistics is what is left to do.
func TestLiftedAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newKernelWorld(t)
		w.lifted()
		flows := []*RTP{w.a.flow, w.b.flow}
		if n := testing.AllocsPerRun(100, func() {
			for _, r := range flows {
				r.sweep(w.engine.Now())
			}
			w.engine.due(flows)
		}); n > 0 {
			t.Errorf("%v allocations a second and call", n)
		}
	})
}
