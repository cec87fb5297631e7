package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tincan/e2e/peer"
	"tincan/e2e/tone"
)

// What a change of way may do to sound that goes on through it.
const (
	// clickMost is the loudest that may be beside the sine in any 20 ms, in dB of
	// it: G.711 itself leaves -37.
	clickMost = -30.0

	// sourceHole is what may be missing where what is heard changes its source: a
	// packet, and the delay of a timer.
	sourceHole = 25 * time.Millisecond

	// levelDip is by how much, in dB, one may be fainter for 40 ms while another
	// begins to speak.
	levelDip = 9.0

	// stepHeard is how long each state is listened to.
	stepHeard = 600 * time.Millisecond
)

// plainPair is two plain phones in a call through a server.
type plainPair struct {
	*server
	a, b *peer.Plain // a says adaTone, b bobTone
	id   string
}

// plainCall connects two plain phones, each with its law.
func plainCall(t *testing.T, lawA, lawB, more string) plainPair {
	t.Helper()
	return plainCallAt(t, place{ip: "127.0.0.1", more: more}, lawA, lawB)
}

func plainCallAt(t *testing.T, where place, lawA, lawB string) plainPair {
	t.Helper()
	a, b := peer.StartPlain(t, lawA, adaTone), peer.StartPlain(t, lawB, bobTone)
	s := startServerAt(t, where, people(bob, eve)+trunkAt("a", a.Port)+trunkAt("b", b.Port)+
		fmt.Sprintf("codecs = [%q]\n", lawB)+fromA("9000", "trunk:b/9000")+fromA(bob, "extension:"+bob)+fromA("800", "conference:lounge"))
	a.Dial(t, s.address(), "9000")
	p := plainPair{server: s, a: a, b: b}
	p.settle(t)
	var calls []struct {
		ID string `json:"id"`
	}
	if s.list(t, &calls, "calls"); len(calls) != 1 {
		t.Fatalf("%+v, want one call", calls)
	}
	p.id = calls[0].ID
	return p
}

// fromA is a route for who calls by trunk a.
func fromA(number, to string) string {
	return fmt.Sprintf("[[route]]\nfrom = \"trunk:a\"\nnumber = %q\nto = %q\n", number, to)
}

// settle waits until both hear each other without a break.
func (p plainPair) settle(t *testing.T) {
	t.Helper()
	a, b := len(p.a.Heard()), len(p.b.Heard())
	p.a.Hears(t, a, bobTone, stepHeard)
	p.b.Hears(t, b, adaTone, stepHeard)
}

// unbroken fails the test unless what a phone was sent since a packet is one stream
// with one sine.
func unbroken(t *testing.T, who string, p *peer.Plain, since int, hz float64) {
	t.Helper()
	heard := p.Heard()[since:]
	wrong, longest := peer.Stream(heard, 0)
	click, at := peer.Click(p.Sound(heard), hz)
	t.Logf("%s: %d packets, at most %v apart; beside the sine at most %.1f dB (at %v)", who, len(heard), longest, click, at)
	for _, w := range wrong {
		t.Errorf("%s: %s", who, w)
	}
	if click > clickMost {
		t.Errorf("%s hears a click of %.1f dB at %v", who, click, at)
	}
}

// TestSineThroughChangesSeenFromOutside: recorded and not, mixed and not, while both
// go on talking, each packet is the next of one stream, and the sines go on.
func TestSineThroughChangesSeenFromOutside(t *testing.T) {
	for _, laws := range [][2]string{{"pcmu", "pcmu"}, {"pcmu", "pcma"}} {
		t.Run(laws[0]+" and "+laws[1], func(t *testing.T) {
			t.Parallel()
			p := plainCall(t, laws[0], laws[1], "")
			a, b := len(p.a.Heard()), len(p.b.Heard())
			file := filepath.Join(p.folder, "both.wav")
			for _, change := range [][]string{
				{"record", p.id, file}, {"record", p.id, "--stop"}, {"mix", p.id}, {"mix", p.id, "--stop"},
			} {
				p.tincan(t, change...)
				p.settle(t)
			}
			unbroken(t, "the caller", p.a, a, bobTone)
			unbroken(t, "the called", p.b, b, adaTone)
			p.a.Hangup(t)
			p.awaitNoCalls(t)
		})
	}
}

// TestHoldSeenFromOutside: who is put on hold, and resumed, has one stream in order,
// with music in between.
func TestHoldSeenFromOutside(t *testing.T) {
	t.Parallel()
	music := t.TempDir()
	if err := tone.Write(filepath.Join(music, "a.wav"), tone.Sine(600, 20*time.Second, 16000)); err != nil {
		t.Fatal(err)
	}
	p := plainCall(t, "pcmu", "pcmu", "[sound]\nmusic = \""+music+"\"\n")
	since := len(p.b.Heard())
	for range 2 {
		n := len(p.b.Heard())
		p.a.Offer(t, "sendonly")
		p.b.Hears(t, n, 600, stepHeard)
		n = len(p.b.Heard())
		p.a.Offer(t, "sendrecv")
		p.b.Hears(t, n, adaTone, stepHeard)
	}
	p.settle(t)
	heard := p.b.Heard()[since:]
	inOrder(t, "the held", heard, sourceHole)
	p.a.Hangup(t)
	p.awaitNoCalls(t)
}

// inOrder fails the test unless packets are one stream without a longer hole, whatever
// they sound like.
func inOrder(t *testing.T, who string, heard []peer.Packet, hole time.Duration) {
	t.Helper()
	wrong, longest := peer.Stream(heard, hole)
	t.Logf("%s: %d packets, at most %v apart", who, len(heard), longest)
	for _, w := range wrong {
		t.Errorf("%s: %s", who, w)
	}
}

// TestTransferSeenFromOutside: a caller who is handed from one phone to another has
// one stream, in order.
func TestTransferSeenFromOutside(t *testing.T) {
	t.Parallel()
	a := peer.StartPlain(t, "pcmu", adaTone)
	s := startServer(t, people(bob, eve)+trunkAt("a", a.Port)+fromA(bob, "extension:"+bob))
	answers := func(a *peer.Account) { a.Auto = true }
	b, c := baresip(t, s, bob, answers), baresip(t, s, eve, answers)
	a.Dial(t, s.address(), bob)
	b.AwaitEstablished(t)
	a.Hears(t, 0, bobTone, stepHeard)
	since := len(a.Heard())
	b.Transfer(t, s.uri(eve))
	c.AwaitEstablished(t)
	a.Hears(t, since, eveTone, stepHeard)
	c.Ear().Hears(t, adaTone)
	inOrder(t, "who was transferred", a.Heard()[since:], sourceHole)
	a.Hangup(t)
	s.awaitNoCalls(t)
}

// TestThirdInAConferenceSeenFromOutside: two talk in a room, a third comes and goes:
// their streams go on, and each other's tone is never gone.
func TestThirdInAConferenceSeenFromOutside(t *testing.T) {
	t.Parallel()
	a, b := peer.StartPlain(t, "pcmu", adaTone), peer.StartPlain(t, "pcma", bobTone)
	room := "[[route]]\nfrom = \"trunk:b\"\nnumber = \"800\"\nto = \"conference:lounge\"\n"
	s := startServer(t, people(eve)+trunkAt("a", a.Port)+trunkAt("b", b.Port)+fromA("800", "conference:lounge")+room+routes("800", "conference:lounge"))
	a.Dial(t, s.address(), "800")
	b.Dial(t, s.address(), "800")
	fromB, fromA := b.Hears(t, 0, adaTone, stepHeard), a.Hears(t, 0, bobTone, stepHeard)
	c := baresip(t, s, eve)
	meets(t, c, "800")
	c.Ear().HearsChord(t, adaTone, bobTone)
	c.Hangup(t)
	c.AwaitClosed(t)
	b.Hears(t, len(b.Heard()), adaTone, stepHeard)
	a.Hears(t, len(a.Heard()), bobTone, stepHeard)
	for who, x := range map[string]struct {
		heard []peer.Packet
		p     *peer.Plain
		hz    float64
	}{"the first": {a.Heard()[fromA:], a, bobTone}, "the second": {b.Heard()[fromB:], b, adaTone}} {
		inOrder(t, who, x.heard, 0)
		levels := x.p.Sound(x.heard).Levels(x.hz)
		t.Logf("%s hears the other with %.1f to %.1f dB", who, slices.Min(levels), slices.Max(levels))
		usual := slices.Sorted(slices.Values(levels))[len(levels)/2]
		for i, l := range levels {
			if l < usual-levelDip {
				t.Errorf("%s hears the other with %.1f dB at %v, usually with %.1f", who, l, time.Duration(i)*40*time.Millisecond, usual)
			}
		}
	}
	a.Hangup(t)
	b.Hangup(t)
	s.awaitNoCalls(t)
}
