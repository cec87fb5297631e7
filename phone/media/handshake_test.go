package media

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/media/rtp"
	"tincan/phone/media/secure"
)

// dtlsPhone is a fake party that finds its keys by a handshake.
type dtlsPhone struct {
	*phone
	ours, theirs *secure.Identity
	group        sync.WaitGroup
	hand         *secure.Handshake
	insecure     []error
	worn         int

	mu  sync.Mutex // guards what follows
	out [][]byte
	err error
}

func newDTLSPhone(t *testing.T, e *Engine, host string) *dtlsPhone {
	t.Helper()
	p := &dtlsPhone{phone: newPhone(t, e, host, pcmu)}
	var err error
	if p.ours, err = secure.NewIdentity(nil); err != nil {
		t.Fatal(err)
	}
	if p.theirs, err = secure.NewIdentity(nil); err != nil {
		t.Fatal(err)
	}
	p.flow.events.Insecure = func(err error) { p.insecure = append(p.insecure, err) }
	p.flow.events.Worn = func() { p.worn++ }
	return p
}

// begin starts the phone's side, active or not, and configures its flow with the
// fingerprint that the phone is said to have.
func (p *dtlsPhone) begin(active bool, said secure.Fingerprint) {
	p.group = sync.WaitGroup{}
	p.hand = secure.StartHandshake(secure.HandshakeConfig{
		Terms: secure.Terms{Identity: p.theirs, Active: active, Prints: []secure.Fingerprint{p.ours.Fingerprint()}},
		Group: &p.group,
		Send: func(b []byte) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.out = append(p.out, append([]byte(nil), b...))
		},
		Done: func(k secure.Keys, err error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.err = err; err == nil {
				p.key, p.err = secure.New(k)
			}
		},
	})
	p.flow.Configure(p.terms(!active, said))
}

func (p *dtlsPhone) terms(active bool, said secure.Fingerprint) Remote {
	r := p.remote(pcmu)
	r.Handshake = &secure.Terms{Identity: p.ours, Active: active, Prints: []secure.Fingerprint{said}}
	return r
}

// shakes carries datagrams both ways for a time.
func (p *dtlsPhone) shakes(d time.Duration) {
	for range d / time.Millisecond {
		time.Sleep(time.Millisecond)
		synctest.Wait()
		p.mu.Lock()
		out := p.out
		p.out = nil
		p.mu.Unlock()
		for _, b := range out {
			key := p.key
			p.key = nil
			p.send(false, p.addr, b)
			p.key = key
		}
		p.flow.mu.Lock()
		var rest []sent
		for _, s := range p.socket.out {
			if rtp.Classify(s.data) == rtp.DTLS {
				p.hand.Take(s.data)
			} else {
				rest = append(rest, s)
			}
		}
		p.socket.out = rest
		p.flow.mu.Unlock()
	}
}

func (p *dtlsPhone) end() {
	p.hand.Close()
	p.group.Wait()
}

// TestHandshakeOfAFlow: as who begins and as who waits; then sound passes, and none
// before.
func TestHandshakeOfAFlow(t *testing.T) {
	for _, active := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			e := newTestEngine(t, Config{})
			a, b := newDTLSPhone(t, e, "10.0.0.1"), newPhone(t, e, "10.0.0.2", pcmu)
			br := Join(a.flow, b.flow)
			defer br.Close()
			a.begin(active, a.theirs.Fingerprint())
			a.speak()
			b.speak()
			if n := len(b.heard()) + len(a.heard()); n != 0 {
				t.Errorf("%d packets before there are keys", n)
			}
			a.shakes(100 * time.Millisecond)
			if a.err != nil || a.key == nil || len(a.insecure) != 0 {
				t.Fatalf("the phone has %v, the flow %v", a.err, a.insecure)
			}
			if k := a.flow.Keys(); k == nil || a.worn == 0 {
				t.Error("the keys are not told to be kept")
			}
			a.speak()
			b.speak()
			if len(b.heard()) != 1 || len(a.heard()) != 1 {
				t.Error("sound does not pass")
			}
			a.end()
		})
	}
}

// TestHandshakeIsKept: the same terms again are no news; other terms begin anew, and
// sound goes on until that is done.
func TestHandshakeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newDTLSPhone(t, e, "10.0.0.1"), newPhone(t, e, "10.0.0.2", pcmu)
		br := Join(a.flow, b.flow)
		defer br.Close()
		a.begin(true, a.theirs.Fingerprint())
		a.shakes(100 * time.Millisecond)
		before := a.flow.Keys()
		a.flow.Configure(a.terms(false, a.theirs.Fingerprint()))
		if k := a.flow.Keys(); !k.Equal(*before) {
			t.Error("other keys by the same terms")
		}
		a.end()
		other, _ := secure.NewIdentity(nil)
		old := a.key
		a.theirs = other
		a.begin(true, other.Fingerprint())
		a.key = old
		a.speak()
		if len(b.heard()) != 1 {
			t.Error("sound stops while they prove themselves anew")
		}
		a.shakes(100 * time.Millisecond)
		if k := a.flow.Keys(); k.Equal(*before) {
			t.Error("the same keys by other terms")
		}
		a.speak()
		if len(b.heard()) != 1 {
			t.Error("sound does not pass with the new keys")
		}
		a.end()
	})
}

// TestAdoptedHandshake: another process has the keys already, and begins none.
func TestAdoptedHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newDTLSPhone(t, e, "10.0.0.1"), newPhone(t, e, "10.0.0.2", pcmu)
		a.begin(true, a.theirs.Fingerprint())
		a.shakes(100 * time.Millisecond)
		a.end()
		keys := a.flow.Keys()
		a.speak()
		state := a.flow.State()
		a.flow.Close()
		flow, err := e.Open(Audio, netip.IPv4Unspecified(), state.Port, Events{})
		if err != nil {
			t.Fatal(err)
		}
		r := a.terms(false, a.theirs.Fingerprint())
		r.Keys = keys
		flow.Configure(r)
		flow.Restore(state)
		a.flow, a.socket = flow, flow.sock.(*fakeSocket)
		br := Join(a.flow, b.flow)
		defer br.Close()
		a.speak()
		b.speak()
		if len(b.heard()) != 1 || len(a.heard()) != 1 || flow.guard.shake != nil {
			t.Error("sound does not go on")
		}
	})
}

// TestPartyThatDoesNotProveItself: another certificate, or none in time.
func TestPartyThatDoesNotProveItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a := newDTLSPhone(t, e, "10.0.0.1")
		other, _ := secure.NewIdentity(nil)
		a.begin(true, other.Fingerprint())
		a.shakes(100 * time.Millisecond)
		if len(a.insecure) != 1 || !errors.Is(a.insecure[0], secure.ErrMismatch) || a.flow.Keys() != nil {
			t.Errorf("told %v", a.insecure)
		}
		a.end()
		b := newDTLSPhone(t, e, "10.0.0.2")
		b.flow.Configure(b.terms(true, other.Fingerprint()))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(b.insecure) != 1 || !errors.Is(b.insecure[0], secure.ErrTimeout) {
			t.Errorf("told %v", b.insecure)
		}
	})
}

// TestStrangersCannotShakeHands: while the party may be where it said, nobody else
// is answered.
func TestStrangersCannotShakeHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a := newDTLSPhone(t, e, "10.0.0.1")
		a.begin(true, a.theirs.Fingerprint())
		hello := make([]byte, 100)
		hello[0] = 22
		for range 100 {
			a.send(false, netip.MustParseAddrPort("6.6.6.6:6666"), hello)
		}
		a.shakes(100 * time.Millisecond)
		if s := a.flow.Stats(); s.Discarded.Strangers != 100 || s.Remote != a.addr || a.flow.Keys() == nil {
			t.Errorf("%+v", s)
		}
		for _, s := range a.socket.out {
			if s.to != a.addr {
				t.Errorf("%v is answered", s.to)
			}
		}
		a.end()
	})
}
