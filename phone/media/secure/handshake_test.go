package secure

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// end is one side of a handshake under test.
type end struct {
	*Handshake
	identity *Identity
	keys     Keys
	err      error
	told     int
	done     chan struct{}
	group    sync.WaitGroup
}

// wire carries datagrams between two ends and does what a network does to them.
type wire struct {
	mu   sync.Mutex
	ends [2]*end
	harm func(from int, b []byte) [][]byte // nil: nothing
	sent int
}

func identity(t testing.TB) *Identity {
	t.Helper()
	i, err := NewIdentity(nil)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// shakeHands starts both ends, of which the first begins. change may spoil terms.
func shakeHands(t testing.TB, w *wire, change func(terms *[2]Terms)) {
	t.Helper()
	a, b := identity(t), identity(t)
	terms := [2]Terms{
		{Identity: a, Active: true, Prints: []Fingerprint{b.Fingerprint()}},
		{Identity: b, Prints: []Fingerprint{a.Fingerprint()}},
	}
	if change != nil {
		change(&terms)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.ends {
		e := &end{identity: terms[i].Identity, done: make(chan struct{})}
		e.Handshake = StartHandshake(HandshakeConfig{
			Terms: terms[i], Group: &e.group,
			Send: func(b []byte) { w.carry(i, bytes.Clone(b)) },
			Done: func(k Keys, err error) {
				e.keys, e.err = k, err
				if e.told++; e.told == 1 {
					close(e.done)
				}
			},
		})
		w.ends[i] = e
	}
}

func (w *wire) carry(from int, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	out := [][]byte{b}
	if w.harm != nil {
		out = w.harm(from, b)
	}
	for _, b := range out {
		time.AfterFunc(time.Millisecond, func() { w.ends[1-from].Take(b) })
	}
}

// over waits until both ends are told, closes them and checks that nothing stays.
func (w *wire) over(t *testing.T) (first, second *end) {
	t.Helper()
	for _, e := range w.ends {
		<-e.done
	}
	w.close()
	for i, e := range w.ends {
		if e.told != 1 {
			t.Errorf("end %d was told %d times", i, e.told)
		}
	}
	return w.ends[0], w.ends[1]
}

func (w *wire) close() {
	for _, e := range w.ends {
		e.Close()
		e.group.Wait()
	}
}

func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		shakeHands(t, w, nil)
		a, b := w.over(t)
		if a.err != nil || b.err != nil {
			t.Fatal(a.err, b.err)
		}
		if !a.keys.Valid() || a.keys.Suite != AES128GCM || !a.keys.Equal(Keys{Suite: b.keys.Suite, Local: b.keys.Remote, Remote: b.keys.Local}) {
			t.Errorf("keys %v and %v", a.keys, b.keys)
		}
		us, _ := New(a.keys)
		them, _ := New(b.keys)
		if _, err := carry(us, them, packet(1, 1, 'x')); err != nil {
			t.Error(err)
		}
	})
}

// TestHandshakeEndsByItself: nothing stays of one that is over, and none of its
// ends says goodbye, which would end the media.
func TestHandshakeEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		shakeHands(t, w, nil)
		for _, e := range w.ends {
			<-e.done
		}
		time.Sleep(time.Second)
		sent := w.sent
		for _, e := range w.ends {
			e.group.Wait()
		}
		if w.sent != sent {
			t.Errorf("%d datagrams after the end", w.sent-sent)
		}
	})
}

// TestHandshakeOverABadNetwork: a third of it is lost, some comes twice, and the
// last word more often than not.
func TestHandshakeOverABadNetwork(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := &wire{harm: func(_ int, b []byte) [][]byte {
				switch r.IntN(6) {
				case 0, 1:
					return nil
				case 2:
					return [][]byte{b, b}
				}
				return [][]byte{b}
			}}
			shakeHands(t, w, nil)
			a, b := w.over(t)
			if a.err != nil || b.err != nil {
				t.Errorf("seed %d: %v, %v", seed, a.err, b.err)
			}
		})
	}
}

// TestMismatch: a certificate that is not the one of the description ends it, and is
// told as that.
func TestMismatch(t *testing.T) {
	for i, who := range []string{"who begins", "who waits"} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{}
			shakeHands(t, w, func(terms *[2]Terms) {
				terms[i].Prints = []Fingerprint{identity(t).Fingerprint()}
			})
			<-w.ends[i].done
			if !errors.Is(w.ends[i].err, ErrMismatch) {
				t.Errorf("%s: %v", who, w.ends[i].err)
			}
			w.close()
		})
	}
}

func TestHandshakeTimesOut(t *testing.T) {
	for _, active := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{harm: func(int, []byte) [][]byte { return nil }}
			shakeHands(t, w, nil)
			begun := time.Now()
			<-w.ends[0].done
			if took := time.Since(begun); took != handshakeTime || !errors.Is(w.ends[0].err, ErrTimeout) {
				t.Errorf("active %v: %v after %v", active, w.ends[0].err, took)
			}
			w.over(t)
		})
	}
}

// TestHandshakeUnderAttack: junk, forged alerts, floods of fragments and strangers'
// hellos among what the party sends; the party comes through.
func TestHandshakeUnderAttack(t *testing.T) {
	alert := []byte{21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40} // fatal, handshake_failure
	fragment := append([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 98, 0, 13, 1, 0, 255, 255, 0, 9, 0, 0, 0, 0, 0, 1}, 7)
	for name, attack := range map[string][]byte{"junk": {22, 254, 253, 1, 2, 3}, "alert": alert, "fragments": fragment} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			w := &wire{harm: func(from int, b []byte) [][]byte {
				if n++; n > 4 {
					return [][]byte{b}
				}
				return [][]byte{attack, b}
			}}
			shakeHands(t, w, nil)
			a, b := w.over(t)
			if a.err != nil || b.err != nil {
				t.Errorf("%s: %v, %v", name, a.err, b.err)
			}
		})
	}
}

// TestFloodIsBounded: who sends for ever costs a bounded time and memory.
func TestFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan error, 1)
		me := identity(t)
		var group sync.WaitGroup
		h := StartHandshake(HandshakeConfig{
			Terms: Terms{Identity: me, Prints: []Fingerprint{me.Fingerprint()}}, Group: &group, Send: func([]byte) {},
			Done: func(_ Keys, err error) { told <- err },
		})
		hello := make([]byte, 1200)
		copy(hello, []byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 4, 163, 1, 0, 200, 0})
		var err error
		for range 100_000 {
			h.Take(hello)
			if n := h.pipe.waiting.Size(); n > 2*maxWaiting {
				t.Fatalf("%d bytes wait", n)
			}
			time.Sleep(time.Millisecond)
			select {
			case err = <-told:
			default:
				continue
			}
			break
		}
		if err == nil {
			t.Error("it never gave up")
		}
		h.Close()
		group.Wait()
	})
}

// TestLastWordIsRepeated: who waits has its keys, and the party asks for what was
// lost of that.
func TestLastWordIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := 0
		w := &wire{harm: func(from int, b []byte) [][]byte {
			const changeCipherSpec = 20
			if from == 1 && b[0] == changeCipherSpec && lost < 3 {
				lost++
				return nil
			}
			return [][]byte{b}
		}}
		shakeHands(t, w, nil)
		a, b := w.over(t)
		if a.err != nil || b.err != nil || lost != 3 {
			t.Errorf("%v, %v after %d losses", a.err, b.err, lost)
		}
	})
}

// TestNoFarewell: nothing that a stranger sends after the handshake makes who waits
// say goodbye, which would end the media.
func TestNoFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		farewells := 0
		w := &wire{harm: func(_ int, b []byte) [][]byte {
			if b[0] == alertRecord {
				farewells++
			}
			return [][]byte{b}
		}}
		shakeHands(t, w, nil)
		for _, e := range w.ends {
			<-e.done
		}
		for range 200 {
			w.ends[1].Take(bytes.Repeat([]byte{22, 254, 253, 0}, 300))
			time.Sleep(time.Millisecond)
		}
		for _, alert := range [][]byte{{21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40}, {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 98, 0, 2, 1, 0}} {
			w.ends[1].Take(alert)
			time.Sleep(time.Second)
		}
		w.mu.Lock()
		if farewells != 0 {
			t.Errorf("%d goodbyes", farewells)
		}
		w.mu.Unlock()
		w.close()
	})
}

func TestIdentityOutlivesTheProcess(t *testing.T) {
	a, err := NewIdentity([]byte("seed"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := NewIdentity([]byte("seed"))
	c, _ := NewIdentity([]byte("other"))
	if a.Fingerprint().Value() != b.Fingerprint().Value() || a.Fingerprint().Value() == c.Fingerprint().Value() {
		t.Errorf("%v, %v, %v", a.Fingerprint().Value(), b.Fingerprint().Value(), c.Fingerprint().Value())
	}
	if !a.Fingerprint().Of(a.certificate.Certificate[0]) {
		t.Error("it is not its own fingerprint")
	}
}
