package iax2

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
)

var (
	g722 = codec.Format{PT: 9, Name: "g722", Clock: 8000, Channels: 1}
	pcmu = codec.Format{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1}
	pcma = codec.Format{PT: 8, Name: "pcma", Clock: 8000, Channels: 1}
	opus = codec.Format{PT: 96, Name: "opus", Clock: 48000, Channels: 2}
)

const (
	atA = "192.0.2.1:4569"
	atB = "192.0.2.2:4569"
)

// pair is two houses that know each other as trunks: A proves itself at B.
func pair(t *testing.T, net *internet, change ...func(a, b *options)) (a, b *house) {
	oa := options{
		routes: map[string]string{"200": "trunk:b/200", "404": "trunk:b/404"},
		trunks: []directory.TrunkForm{{Name: "b", Protocol: "iax2", Address: atB, Username: "house-a", Secret: "between us two"}},
	}
	ob := options{
		routes: map[string]string{"200": "tone:"},
		trunks: []directory.TrunkForm{{Name: "a", Protocol: "iax2", Address: atA, Accept: "digest", Username: "house-a", Secret: "between us two"}},
	}
	for _, f := range change {
		f(&oa, &ob)
	}
	a, b = open(t, net, atA, oa), open(t, net, atB, ob)
	t.Cleanup(func() { a.close(); b.close() })
	return a, b
}

// stands makes a call from A to B and gives its two ends.
func stands(t *testing.T, a, b *house, formats ...codec.Format) (caller, callee *toneLeg) {
	t.Helper()
	caller = a.call("101", "200", formats...)
	time.Sleep(3 * time.Second)
	if _, answered, _, _ := caller.state(); !answered || caller.over() != "" {
		t.Fatalf("answered %v, over %q", answered, caller.over())
	}
	return caller, b.called()
}

// hear checks that each of two parties hears the other's tone for a while.
func hear(t *testing.T, x, y *toneLeg, least float64) {
	t.Helper()
	x.loud()
	y.loud()
	time.Sleep(3 * time.Second)
	if a, b := x.loud(), y.loud(); a < least || b < least {
		t.Errorf("the tone is in %.2f of what the caller hears and %.2f of what the callee hears; want %.2f", a, b, least)
	}
}

// nothingLeft checks that calls leave nothing behind.
func nothingLeft(t *testing.T, houses ...*house) {
	t.Helper()
	time.Sleep(20 * time.Second)
	for _, h := range houses {
		if n := h.iax2.sessions.count(); n != 0 {
			t.Errorf("%d sessions are left at %v", n, h.at)
		}
		if now, _ := h.calls.Counts(); now != 0 {
			t.Errorf("%d calls are left at %v", now, h.at)
		}
		for _, s := range h.iax2.Trunks() {
			if s.In+s.Out != 0 {
				t.Errorf("trunk %s still counts %d and %d calls", s.Name, s.In, s.Out)
			}
		}
	}
}

func TestCallByTrunk(t *testing.T) {
	for _, c := range []struct {
		name    string
		offered []codec.Format
		takes   []string
		want    string
	}{
		{"the first that both take", []codec.Format{g722, pcma}, nil, "g722"},
		{"opus", []codec.Format{opus, pcma}, nil, "opus"},
		{"another one at the callee, made there", []codec.Format{pcmu, pcma}, []string{"pcma"}, "pcmu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lives(t, func(t *testing.T, net *internet) {
				a, b := pair(t, net, func(_, b *options) { b.codecs = c.takes })
				caller, callee := stands(t, a, b, c.offered...)
				if _, _, _, got := caller.state(); got != c.want {
					t.Errorf("the caller got %s, want %s", got, c.want)
				}
				hear(t, caller, callee, 0.98)
				caller.press('5')
				callee.press('#')
				time.Sleep(time.Second)
				_, _, x, _ := caller.state()
				if _, _, y, _ := callee.state(); x != "#" || y != "5" {
					t.Errorf("digits %q and %q", x, y)
				}
				caller.hangUp()
				time.Sleep(time.Second)
				if callee.over() != "normal" {
					t.Errorf("the callee's end: %q", callee.over())
				}
				nothingLeft(t, a, b)
			})
		})
	}
}

func TestCallsThatAreNot(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net, func(a, b *options) {
			b.ringing = true
			a.trunks[0].Limit = 1
		})
		nobody := a.call("101", "404", pcma)
		time.Sleep(time.Second)
		if got := nobody.over(); got != "not-found" {
			t.Errorf("a number that is not there: %q", got)
		}
		caller := a.call("101", "200", pcma)
		time.Sleep(time.Second)
		if code, answered, _, _ := caller.state(); code != 180 || answered {
			t.Errorf("the caller was told %d, answered %v", code, answered)
		}
		second := a.call("102", "200", pcma)
		time.Sleep(time.Second)
		if got := second.over(); got != "failed" {
			t.Errorf("a call above the limit: %q", got)
		}
		caller.hangUp()
		time.Sleep(time.Second)
		if got := b.called().over(); got != "cancelled" {
			t.Errorf("the callee of a caller who gave up: %q", got)
		}
		nothingLeft(t, a, b)
	})
}

func TestNobodyAnswersThere(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net)
		net.set(weather{loss: 1})
		caller := a.call("101", "200", pcma)
		time.Sleep(giveUp + mostAgain + time.Second)
		if got := caller.over(); got != "unreachable" {
			t.Errorf("a peer that is away: %q", got)
		}
		net.set(weather{})
		nothingLeft(t, a, b)
	})
}

func TestPeerGoneDuringACall(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net)
		caller, callee := stands(t, a, b, pcma)
		net.set(weather{loss: 1})
		time.Sleep(pingEvery + giveUp + 10*time.Second)
		if caller.over() == "" || callee.over() == "" {
			t.Errorf("ends %q and %q", caller.over(), callee.over())
		}
		net.set(weather{})
		nothingLeft(t, a, b)
	})
}

func TestBadNetwork(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net)
		net.set(weather{loss: 0.1, twice: 0.05, delay: 20 * time.Millisecond, jitter: 100 * time.Millisecond})
		for range 3 {
			caller, callee := stands(t, a, b, pcma)
			digits := "0123456789*#"
			for _, d := range digits {
				caller.press(d)
				time.Sleep(200 * time.Millisecond)
			}
			time.Sleep(10 * time.Second)
			if _, _, got, _ := callee.state(); got != digits {
				t.Errorf("digits %q, want %q", got, digits)
			}
			caller.loud()
			time.Sleep(20 * time.Second)
			if got := caller.loud(); got < 0.6 {
				t.Errorf("the tone is in %.2f of what the caller hears", got)
			}
			if caller.over() != "" || callee.over() != "" {
				t.Errorf("ends %q and %q", caller.over(), callee.over())
			}
			callee.hangUp()
			time.Sleep(20 * time.Second)
		}
		nothingLeft(t, a, b)
	})
}

func TestLongCallCrossesTheWraps(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net)
		caller, callee := stands(t, a, b, pcma)
		for range 3 { // of the 16 bits of mini frames, and the 8 of sequence numbers
			for range 100 {
				caller.press('1')
				time.Sleep(500 * time.Millisecond)
			}
			hear(t, caller, callee, 0.98)
		}
		time.Sleep(2 * time.Second)
		if _, _, got, _ := callee.state(); len(got) != 300 {
			t.Errorf("%d digits of 300", len(got))
		}
	})
}

func TestHold(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net)
		caller, callee := stands(t, a, b, pcma)
		l := b.leg(t)
		// A's phone system puts B on hold, by the command and by the control frame.
		for _, hold := range []struct{ on, off frame.Full }{
			{frame.Full{Type: frame.IAX, Subclass: frame.Subclass(frame.Quelch)}, frame.Full{Type: frame.IAX, Subclass: frame.Subclass(frame.Unquelch)}},
			{frame.Full{Type: frame.ControlFrame, Subclass: frame.Subclass(frame.Hold)}, frame.Full{Type: frame.ControlFrame, Subclass: frame.Subclass(frame.Unhold)}},
		} {
			a.say(t, hold.on)
			time.Sleep(time.Second)
			callee.loud()
			time.Sleep(3 * time.Second)
			if got := callee.loud(); got > 0.01 {
				t.Errorf("who is on hold hears the tone in %.2f", got)
			}
			if !l.isHeld() {
				t.Error("the leg is not held")
			}
			a.say(t, hold.off)
			time.Sleep(time.Second)
			hear(t, caller, callee, 0.98)
		}
	})
}

// leg is the one leg that stands in a house.
func (h *house) leg(t *testing.T) *leg {
	t.Helper()
	for _, x := range h.iax2.sessions.all() {
		if l, ok := x.party.(*leg); ok {
			return l
		}
	}
	t.Fatal("no leg stands")
	return nil
}

func (l *leg) isHeld() bool {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	return l.held
}

// say sends a frame in the one call of a house.
func (h *house) say(t *testing.T, f frame.Full) {
	t.Helper()
	x := h.leg(t).x
	x.mu.Lock()
	defer x.unlock()
	f.Time = x.stamp()
	x.send(f, false)
}

func TestTextsInACall(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net)
		stands(t, a, b, pcma)
		a.say(t, frame.Full{Type: frame.Text, Payload: []byte("grüß dich")})
		time.Sleep(time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.texts) != 1 || string(b.texts[0].Body) != "grüß dich" || b.texts[0].To != "200" || b.texts[0].From != "trunk:a" {
			t.Errorf("texts %+v", b.texts)
		}
	})
}

func TestEncrypted(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net, func(a, b *options) {
			a.trunks[0].Encryption, b.trunks[0].Encryption = "required", "required"
		})
		var clear int
		net.tap = func(_, _ netip.AddrPort, data []byte) bool {
			if frame.KindOf(data) == frame.KindMini && len(data) == 164 {
				clear++
			}
			return true
		}
		caller, callee := stands(t, a, b, pcma)
		for range 3 { // several keys
			a.leg(t).rotateNow()
			b.leg(t).rotateNow()
			time.Sleep(5 * time.Second)
			hear(t, caller, callee, 0.98)
		}
		if a.leg(t).x.keys.sealKey == b.leg(t).x.keys.sealKey {
			t.Error("no key was changed")
		}
		if clear > 0 {
			t.Errorf("%d frames in the clear", clear)
		}
		for _, h := range []*house{a, b} {
			if i := h.leg(t).Info(); i.Encryption == "" {
				t.Error("the leg does not say that it is encrypted")
			}
			if n := h.iax2.counts.Forged.Load(); n != 0 {
				t.Errorf("%d frames could not be opened", n)
			}
		}
		caller.hangUp()
		nothingLeft(t, a, b)
	})
}

func TestEncryptionWanting(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net, func(a, b *options) {
			a.trunks[0].Encryption, b.trunks[0].Encryption = "off", "required"
		})
		caller := a.call("101", "200", pcma)
		time.Sleep(5 * time.Second)
		if caller.over() == "" {
			t.Error("a call in the clear was taken where encryption is required")
		}
		nothingLeft(t, a, b)
	})
}

func TestPeerOfAnEncryptedCallMoves(t *testing.T) {
	for _, encryption := range []string{"required", "off"} {
		t.Run(encryption, func(t *testing.T) {
			lives(t, func(t *testing.T, net *internet) {
				a, b := pair(t, net, func(a, b *options) {
					a.trunks[0].Encryption, b.trunks[0].Encryption = encryption, encryption
				})
				caller, callee := stands(t, a, b, pcma)
				moved := netip.MustParseAddrPort("192.0.2.77:1111")
				net.nat(a.at, moved)
				time.Sleep(pingEvery + 10*time.Second)
				callee.loud()
				time.Sleep(3 * time.Second)
				got := callee.loud()
				if encryption == "required" && got < 0.98 {
					t.Errorf("after the peer moved its tone is in %.2f", got)
				}
				if encryption == "off" && got > 0.01 {
					t.Errorf("sound from elsewhere was taken in a call that proves nothing: %.2f", got)
				}
				_ = caller
			})
		})
	}
}

// nat makes what a host sends come from another address, and answers to that reach it.
func (n *internet) nat(host, outside netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.conns[host]
	delete(n.conns, host)
	c.as = outside
	n.conns[outside] = c
}

func TestTrunkFramesShareDatagrams(t *testing.T) {
	for _, encryption := range []string{"off", "required"} {
		t.Run(encryption, func(t *testing.T) {
			sent := map[bool]int{}
			for _, trunking := range []bool{false, true} {
				lives(t, func(t *testing.T, net *internet) {
					a, b := pair(t, net, func(a, b *options) {
						a.trunks[0].Trunking, b.trunks[0].Trunking = &trunking, &trunking
						a.trunks[0].Encryption, b.trunks[0].Encryption = encryption, encryption
					})
					const calls = 6
					var ends []*toneLeg
					for range calls {
						caller, callee := stands(t, a, b, pcma)
						ends = append(ends, caller, callee)
					}
					before, _ := net.counts()
					time.Sleep(time.Second)
					after, _ := net.counts()
					sent[trunking] = after - before
					for i := 0; i < len(ends); i += 2 {
						ends[i].loud()
						ends[i+1].loud()
					}
					time.Sleep(3 * time.Second)
					for i, e := range ends {
						if got := e.loud(); got < 0.98 {
							t.Errorf("end %d hears the tone in %.2f", i, got)
						}
					}
					if n := a.iax2.counts.Forged.Load() + b.iax2.counts.Forged.Load(); n != 0 {
						t.Errorf("%d frames could not be opened", n)
					}
				})
			}
			if sent[true]*3 > sent[false] {
				t.Errorf("%d datagrams a second with trunking, %d without", sent[true], sent[false])
			}
		})
	}
}

func TestKilledAndStartedAgain(t *testing.T) {
	for _, encryption := range []string{"off", "required"} {
		t.Run(encryption, func(t *testing.T) {
			lives(t, func(t *testing.T, net *internet) {
				a, b := pair(t, net, func(a, b *options) {
					a.trunks[0].Encryption, b.trunks[0].Encryption = encryption, encryption
				})
				caller, _ := stands(t, a, b, pcma)
				caller.press('1')
				time.Sleep(time.Minute)
				b.restart(2 * time.Second)
				time.Sleep(3 * time.Second)
				if now, _ := b.calls.Counts(); now != 1 {
					t.Fatalf("%d calls stand after the restart", now)
				}
				callee := b.called()
				hear(t, caller, callee, 0.98)
				caller.press('7')
				time.Sleep(5 * time.Second)
				if _, _, got, _ := callee.state(); got != "7" {
					t.Errorf("digits %q after the restart", got)
				}
				callee.hangUp()
				time.Sleep(2 * time.Second)
				if got := caller.over(); got != "normal" {
					t.Errorf("the caller's end: %q", got)
				}
				nothingLeft(t, a, b)
			})
		})
	}
}

func TestLoopOfServersEnds(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net, func(a, b *options) {
			a.routes["300"], b.routes["300"] = "trunk:b/300", "trunk:back/300"
			a.trunks = append(a.trunks, directory.TrunkForm{Name: "from-b", Protocol: "iax2", Address: atB, Match: []string{strings.Split(atB, ":")[0]}})
			b.trunks = append(b.trunks, directory.TrunkForm{Name: "back", Protocol: "iax2", Address: atA})
		})
		caller := a.call("101", "300", pcma)
		time.Sleep(time.Minute)
		if got := caller.over(); got == "" {
			t.Error("a call that goes round in circles goes on")
		}
		if _, total := a.calls.Counts(); total > startHops || total < 10 {
			t.Errorf("it made %d calls", total)
		}
		nothingLeft(t, a, b)
	})
}

// rotateNow changes the key as if it were time.
func (l *leg) rotateNow() {
	l.x.mu.Lock()
	defer l.x.unlock()
	l.rotateAt = time.Time{}
	l.rotate(time.Now())
}

// TestServerLeavesItsPartiesToEachOther where both of its trunks allow that, and stays
// where one does not.
func TestServerLeavesItsPartiesToEachOther(t *testing.T) {
	for name, allowed := range map[string][2]bool{"both allow it": {true, true}, "one does not": {true, false}, "the parties do not": {true, true}} {
		t.Run(name, func(t *testing.T) {
			lives(t, func(t *testing.T, net *internet) {
				yes := name != "the parties do not"
				a, b := pair(t, net, func(a, b *options) {
					a.trunks[0].Address, a.trunks[0].Transfer = "192.0.2.3:4569", &yes
					b.trunks[0].Address, b.trunks[0].Transfer = "192.0.2.3:4569", &yes
					b.trunks[0].Username = "middle"
					a.trunks[0].Encryption, b.trunks[0].Encryption = "off", "off"
				})
				m := open(t, net, "192.0.2.3:4569", options{
					routes: map[string]string{"200": "trunk:b/200"},
					trunks: []directory.TrunkForm{
						{Name: "a", Protocol: "iax2", Address: atA, Accept: "digest", Username: "house-a", Secret: "between us two", Transfer: &allowed[0]},
						{Name: "b", Protocol: "iax2", Address: atB, Username: "middle", Secret: "between us two", Transfer: &allowed[1]},
					},
				})
				t.Cleanup(m.close)
				caller, callee := stands(t, a, b, pcma)
				hear(t, caller, callee, 0.98)
				time.Sleep(15 * time.Second)
				leaves := name == "both allow it"
				if now, _ := m.calls.Counts(); leaves != (now == 0) {
					t.Errorf("%d calls are left in the middle", now)
				}
				hear(t, caller, callee, 0.98)
				caller.press('8')
				time.Sleep(time.Second)
				if _, _, got, _ := callee.state(); got != "8" {
					t.Errorf("digits %q", got)
				}
				if caller.over()+callee.over() != "" {
					t.Errorf("ends %q and %q", caller.over(), callee.over())
				}
				time.Sleep(pingEvery + 5*time.Second) // they ask each other whether they live
				callee.hangUp()
				time.Sleep(time.Second)
				if got := caller.over(); got != "normal" {
					t.Errorf("the caller's end: %q", got)
				}
				nothingLeft(t, a, b, m)
			})
		})
	}
}

// TestGivenUpBeforeTheNameIsFound: a trunk whose name server is slow.
func TestGivenUpBeforeTheNameIsFound(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net, func(a, _ *options) { a.trunks[0].Address = "b.example" })
		a.iax2.cfg.Resolve = func(string) ([]netip.Addr, error) {
			time.Sleep(10 * time.Second)
			return []netip.Addr{b.at.Addr()}, nil
		}
		gone := a.call("101", "200", pcma)
		time.Sleep(time.Second)
		gone.hangUp()
		time.Sleep(20 * time.Second)
		patient := a.call("101", "200", pcma)
		time.Sleep(15 * time.Second)
		if _, answered, _, _ := patient.state(); !answered {
			t.Errorf("who waited for the name was not answered: %q", patient.over())
		}
		if _, total := b.calls.Counts(); total != 1 {
			t.Errorf("%d calls came, want the one", total)
		}
		patient.hangUp()
		nothingLeft(t, a, b)
	})
}

// TestSoundIsCleaned as the trunk says, whatever protocol it speaks.
func TestSoundIsCleaned(t *testing.T) {
	if !media.CanClean() {
		t.Skip("this build cannot clean")
	}
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net, func(_, b *options) { b.trunks[0].Clean = []string{"level"} })
		caller, callee := stands(t, a, b, pcma)
		hear(t, caller, callee, 0.95)
		if got := b.leg(t).Info().Treatment; got != `clean = ["level"]` {
			t.Errorf("the leg says that it is treated by %q", got)
		}
		if got := b.leg(t).flow.Terms().Clean; !got.Level {
			t.Errorf("its sound is cleaned by %+v", got)
		}
	})
}

// TestReportsOfLosses reach the encoder: each side tells the other what it missed.
func TestReportsOfLosses(t *testing.T) {
	lives(t, func(t *testing.T, net *internet) {
		a, b := pair(t, net)
		stands(t, a, b, pcma)
		net.set(weather{loss: 0.2, delay: 10 * time.Millisecond})
		time.Sleep(3 * pingEvery)
		for _, h := range []*house{a, b} {
			f := h.leg(t).flow
			if got := f.FarLoss(); got < 0.1 || got > 0.3 {
				t.Errorf("the peer of %v misses %.2f by its report, want about 0.2", h.at, got)
			}
			if got := h.leg(t).Quality(); len(got.Samples) == 0 || got.Samples[len(got.Samples)-1].In.Loss < 0.1 {
				t.Errorf("the account of %v: %+v", h.at, got)
			}
		}
	})
}
