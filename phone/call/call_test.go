package call

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// inWorld runs a test in a bubble; at its end nothing may be left.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f(t, w)
		for _, s := range w.x.Snapshots() {
			w.x.Hangup(s.ID, Shutdown)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := errors.Join(w.left(), w.engine.Close()); err != nil {
			t.Error(err)
		}
	})
}

// settle lets all that waits be handled, the ledger included.
func settle() {
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
}

// dialled makes a call from leg a that rings at b, of the kinds given.
func (w *world) dialled(kindA, kindB string, f codec.Format) (a, b *leg, c *Call) {
	a, b = w.newLeg("a"+kindA, kindA, f, true), w.newLeg("b"+kindB, kindB, f, false)
	w.dials[b.id] = []*leg{b}
	w.call(a, b.id)
	settle()
	return a, b, a.owner.(*Call)
}

func (w *world) answered(kindA, kindB string, f codec.Format) (a, b *leg, c *Call) {
	a, b, c = w.dialled(kindA, kindB, f)
	b.accept()
	settle()
	return a, b, c
}

func (w *world) causeOf(t *testing.T, c *Call) string {
	t.Helper()
	if n := len(w.ledger.records[c.id]); n != 1 {
		t.Fatalf("%d records", n)
	}
	return w.ledger.records[c.id][0].Cause
}

func state(c *Call) string { return c.Snapshot().State }

func TestRefusedBeforeItRings(t *testing.T) {
	cases := map[string]struct {
		to    string
		err   error
		cause Cause
	}{
		"no such number":   {"nowhere", nil, NotFound},
		"nobody there":     {"empty", Unregistered, Unregistered},
		"no common codec":  {"empty", &media.NoCommonCodec{}, NotAcceptable},
		"no port":          {"empty", media.ErrNoPorts, NoPorts},
		"something is off": {"empty", errStore, Failed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.refuse = c.err
				a := w.newLeg("a", "rtp", pcmu, true)
				w.call(a, c.to)
				settle()
				if len(a.hangups) != 1 || a.hangups[0].Kind != c.cause.Kind || a.hangups[0].Code != c.cause.Code {
					t.Errorf("told %v, want %v", a.hangups, c.cause)
				}
			})
		})
	}
}

func TestRingTimeOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ring = 20 * time.Second
		a, b, c := w.dialled("rtp", "rtp", pcmu)
		b.post(Ringing{Leg: b, Code: 180})
		time.Sleep(19 * time.Second)
		settle()
		if state(c) != "ringing" || !b.live() || !slices.Equal(a.alerts, []int{180}) {
			t.Fatalf("%s, alerted %v", state(c), a.alerts)
		}
		time.Sleep(time.Second)
		settle()
		if cause := w.causeOf(t, c); cause != NoAnswer.Kind || a.hangups[0] != NoAnswer || b.hangups[0] != NoAnswer {
			t.Errorf("%s; the caller is told %v, the other %v", cause, a.hangups, b.hangups)
		}
	})
}

// The best reason of all devices is the caller's.
func TestAllDevicesRefuse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.newLeg("a", "rtp", pcmu, true)
		for _, id := range []string{"b", "c", "d"} {
			w.dials["x"] = append(w.dials["x"], w.newLeg(id, "rtp", pcmu, false))
		}
		w.call(a, "x")
		settle()
		for i, cause := range []Cause{Timeout, Busy, Unregistered} {
			w.dials["x"][i].leave(cause)
			settle()
		}
		if len(a.hangups) != 1 || a.hangups[0] != Busy {
			t.Errorf("told %v", a.hangups)
		}
	})
}

func TestStoreThatHangs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ledger.manual = true
		a, b, c := w.answered("rtp", "rtp", pcmu)
		var answers int
		a.do(func() { answers = len(a.answers) })
		if state(c) != "answering" || answers != 0 {
			t.Fatalf("%s before it is written", state(c))
		}
		time.Sleep(ledgerTime)
		settle()
		if state(c) != "answered" || len(a.answers) != 1 {
			t.Fatalf("%s though the store hangs", state(c))
		}
		b.leave(Normal)
		settle()
		if n := w.written.get(); n != 0 || len(a.hangups) != 1 {
			t.Errorf("acknowledged %d times before it is written; the caller is told %v", n, a.hangups)
		}
		time.Sleep(ledgerTime)
		settle()
		if n := w.written.get(); n != 1 {
			t.Errorf("acknowledged %d times", n)
		}
		w.ledger.flush(true) // at last
	})
}

// What the ledger could not write waits in its spool; the call goes on.
func TestStoreThatIsDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ledger.err = errStore
		a, b, c := w.answered("rtp", "rtp", pcmu)
		if state(c) != "answered" || len(a.answers) != 1 {
			t.Errorf("%s", state(c))
		}
		b.leave(Normal)
		settle()
		if w.written.get() != 1 {
			t.Error("the end is not acknowledged")
		}
	})
}

func TestFloodEndsTheCall(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.manual = true
		_, b, _ := w.dialled("rtp", "rtp", pcmu)
		c := w.calls[0]
		run.do(w)
		flood(b.id).do(w)
		flood(b.id).do(w)
		c.actor.release()
		settle()
		if cause := w.causeOf(t, c); cause != Failed.Kind {
			t.Error(cause)
		}
	})
}

func TestDrain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, _ := w.answered("rtp", "rtp", pcmu)
		ringing, _, _ := w.dialled("iax", "app", pcmu)
		done := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			defer close(done)
			w.x.Drain(ctx)
			for _, l := range []*leg{a, b, ringing} { // told before it returns
				if len(l.hangups) != 1 || l.releases != 1 {
					t.Errorf("%s is told %v, released %d times", l.id, l.hangups, l.releases)
				}
			}
		}()
		settle()
		late := w.newLeg("late", "rtp", pcmu, true)
		w.call(late, "x")
		if len(late.hangups) != 1 || late.hangups[0] != Shutdown {
			t.Errorf("a new call is told %v", late.hangups)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if !a.live() || !ringing.live() {
			t.Error("hung up too early")
		}
		<-done
		w.x.Drain(t.Context()) // nothing left: at once
	})
	inWorld(t, func(t *testing.T, w *world) {
		_, b, _ := w.answered("rtp", "rtp", pcmu)
		time.AfterFunc(time.Second, func() { b.leave(Normal) })
		start := time.Now()
		w.x.Drain(t.Context())
		if d := time.Since(start); d < time.Second || d > 2*time.Second {
			t.Errorf("drained after %v", d)
		}
	})
}

// killed is a world whose process is gone while a call stood.
func killed(t *testing.T) (id string, standing []byte) {
	inWorld(t, func(t *testing.T, w *world) {
		_, _, c := w.answered("rtp", "iax", pcmu)
		id, standing = c.id, w.ledger.stands[c.id]
	})
	return id, standing
}

func TestAdopt(t *testing.T) {
	id, standing := killed(t)
	inWorld(t, func(t *testing.T, w *world) {
		if err := w.x.Adopt(id, standing); err != nil {
			t.Fatal(err)
		}
		settle()
		a, b := w.legs[0], w.legs[1]
		c, _ := w.x.Call(id)
		if s := c.Snapshot(); s.State != "answered" || !slices.Equal(s.Ways, []string{"relay"}) || s.ID != id {
			t.Errorf("adopted as %+v", s)
		}
		talk(t, 5, a, b)
		if n := b.heard(t); n != 5*packet {
			t.Errorf("%d samples heard", n)
		}
		a.leave(Normal)
		settle()
		if cause := w.causeOf(t, c); cause != Normal.Kind || len(b.hangups) != 1 || w.written.get() != 1 {
			t.Errorf("%s, the other is told %v", cause, b.hangups)
		}
	})
}

func TestAdoptThatFails(t *testing.T) {
	id, standing := killed(t)
	for _, broken := range []string{"artp", "biax"} {
		inWorld(t, func(t *testing.T, w *world) {
			w.noLeg[broken] = errStore
			if err := w.x.Adopt(id, standing); !errors.Is(err, errStore) {
				t.Errorf("got %v", err)
			}
			if r := w.ledger.records[id]; len(r) != 1 || r[0].Cause != Interrupted.Kind || len(r[0].Legs) != 2 {
				t.Errorf("recorded as %+v", r)
			}
		})
	}
	inWorld(t, func(t *testing.T, w *world) {
		w.x.Drain(t.Context())
		if err := w.x.Adopt(id, standing); !errors.Is(err, Shutdown) {
			t.Errorf("got %v", err)
		}
		if r := w.ledger.records[id]; len(r) != 1 || r[0].Cause != Interrupted.Kind {
			t.Errorf("recorded as %+v", r)
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		if err := w.x.Adopt(id, []byte("?")); !errors.Is(err, ErrUnreadable) {
			t.Errorf("got %v", err)
		}
	})
}

// The party hangs up in the moment in which its leg is there again.
func TestAdoptedLegEndsAtOnce(t *testing.T) {
	id, standing := killed(t)
	for _, failing := range []string{"", "biax"} {
		inWorld(t, func(t *testing.T, w *world) {
			if failing != "" {
				w.noLeg[failing] = errStore
			}
			w.revived = func(l *leg) {
				if l.id == "artp" {
					l.leave(Normal)
					synctest.Wait()
				}
			}
			if err := w.x.Adopt(id, standing); (err != nil) != (failing != "") {
				t.Errorf("got %v", err)
			}
			settle()
			if n, _ := w.x.Counts(); n != 0 || len(w.ledger.records[id]) != 1 {
				t.Errorf("%d calls left, %d records", n, len(w.ledger.records[id]))
			}
		})
	}
}

// A party wants another codec: the other side is asked; if it keeps its own, what
// can be is transcoded.
func TestCodecChange(t *testing.T) {
	for name, agrees := range map[string]bool{"both": true, "one": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b, c := w.answered("rtp", "rtp", pcmu)
				a.heard(t)
				wish := a.describe()
				wish.Streams[0].Formats = []codec.Format{pcma}
				a.post(Offered{Leg: a, Offer: wish})
				settle()
				a.become(pcma)
				if len(b.offers) != 1 || b.offers[0].Codec() != "pcma" || len(a.replies) != 0 {
					t.Fatalf("offered %v, replied %v", b.offers, a.replies)
				}
				way := "transcode"
				if agrees {
					b.become(pcma)
					way = "relay"
					b.post(Reanswered{Leg: b, Answer: b.describe()})
				} else {
					b.post(OfferRefused{b, errors.New("488")})
				}
				settle()
				if len(a.replies) != 1 || a.replies[0] != nil {
					t.Fatalf("replied %v", a.replies)
				}
				talk(t, 5, a, b)
				near(t, a, a.heard(t), 5*packet, 3)
				near(t, b, b.heard(t), 5*packet, 3)
				if got := c.Snapshot().Ways; len(got) != 1 || got[0] != way {
					t.Errorf("carried by %v, want %s", got, way)
				}
				b.leave(Normal)
				settle()
				if r := w.ledger.records[c.id]; len(r) != 1 || r[0].Legs[0].Codec != "pcma" {
					t.Errorf("recorded as %+v", r)
				}
			})
		})
	}
}

func TestHold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, c := w.answered("rtp", "iax", pcmu)
		hold := a.describe()
		hold.Streams[0].Direction = media.SendOnly
		a.post(Offered{Leg: a, Offer: hold})
		settle()
		talk(t, 3, a, b)
		if len(a.replies) != 1 || a.replies[0] != nil || !c.Snapshot().Legs[0].Held || len(b.offers) != 0 {
			t.Errorf("replied %v, %+v", a.replies, c.Snapshot().Legs)
		}
		if a.heard(t)+b.heard(t) != 0 {
			t.Error("who is held hears")
		}
		b.post(Silent{b})
		settle()
		if state(c) != "answered" {
			t.Fatal("silence while held ended the call")
		}
		a.post(Offered{Leg: a, Offer: a.describe()})
		settle()
		talk(t, 3, a, b)
		if n, m := a.heard(t), b.heard(t); n != 3*packet || m != 3*packet {
			t.Errorf("%d and %d samples heard after the hold", n, m)
		}
		b.post(Offered{Leg: b, Offer: media.Description{Streams: []media.Stream{{
			Kind: media.Audio, RTP: media.Pending, Formats: []codec.Format{amr},
		}}}})
		settle()
		if len(b.replies) != 0 || len(a.offers) != 1 {
			t.Errorf("another codec is answered %v before the other side was asked (%d offers)", b.replies, len(a.offers))
		}
		a.post(OfferRefused{a, errors.New("488")})
		settle()
		var cause Cause
		if len(b.replies) != 1 || !errors.As(b.replies[0], &cause) || cause.Code != 488 {
			t.Errorf("another codec is answered %v", b.replies)
		}
		b.post(Silent{b})
		settle()
		if cause := w.causeOf(t, c); cause != MediaTimeout.Kind {
			t.Error(cause)
		}
	})
}

// The caller was given early media of one device; another, with another
// codec, answers.
func TestReoffer(t *testing.T) {
	cases := map[string]struct {
		reply func(a *leg)
		codec string
		way   string
	}{
		"taken": {func(a *leg) {
			d := a.describe()
			d.Streams[0].Formats = []codec.Format{pcma}
			flow := a.flows[0].(*media.RTP)
			flow.Configure(media.Remote{RTP: media.Pending, Direction: media.SendRecv, Formats: d.Streams[0].Formats})
			a.post(Reanswered{Leg: a, Answer: d})
		}, "pcma", "relay"},
		"refused": {func(a *leg) { a.post(OfferRefused{Leg: a, Err: errStore}) }, "pcmu", "transcode"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.newLeg("a", "rtp", pcmu, true)
				b, early := w.newLeg("b", "rtp", pcma, false), w.newLeg("early", "rtp", pcmu, false)
				w.dials["x"] = []*leg{b, early}
				both := a.describe()
				both.Streams[0].Formats = []codec.Format{pcmu, pcma}
				w.x.Incoming(a, Setup{Dialled: "x", Offer: both})
				settle()
				d := early.describe()
				early.post(Ringing{Leg: early, Code: 183, Early: &d})
				settle()
				talk(t, 3, early)
				if n := a.heard(t); n != 3*packet {
					t.Errorf("%d samples of early media", n)
				}
				b.accept()
				settle()
				call := a.owner.(*Call)
				want := []string{"pcma"}
				if diff := cmp.Diff(want, codecs(a.offers)); diff != "" || a.answers[0].Codec() != "pcmu" {
					t.Fatalf("offered (-want +got):\n%s answered %v", diff, a.answers)
				}
				talk(t, 3, b)
				c.reply(a)
				settle()
				talk(t, 3, b)
				if n := a.heard(t); n != 6*packet {
					t.Errorf("%d samples heard, want %d", n, 6*packet)
				}
				if s := call.Snapshot(); s.Legs[0].Codec != c.codec || !slices.Equal(s.Ways, []string{c.way}) {
					t.Errorf("%+v by %v", s.Legs, s.Ways)
				}
			})
		})
	}
}

func codecs(all []media.Description) (names []string) {
	for _, d := range all {
		names = append(names, d.Codec())
	}
	return names
}

func TestDigitsCross(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, _ := w.answered("rtp", "iax", pcmu)
		for _, r := range "123" {
			a.post(Pressed{Leg: a, Digit: media.Digit{Rune: r}})
		}
		b.post(Pressed{Leg: b, Digit: media.Digit{Rune: '#'}})
		settle()
		if len(b.digits) != 3 || b.digits[0].Rune != '1' || b.digits[2].Rune != '3' || len(a.digits) != 1 {
			t.Errorf("%v and %v", b.digits, a.digits)
		}
	})
}

// What the media have made of a change is written once it has reached them: a
// restart goes on with the numbers that the phones know.
func TestChangeIsWrittenTwice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, _, c := w.answered("rtp", "rtp", pcmu)
		stands := func() string {
			w.ledger.mu.Lock()
			defer w.ledger.mu.Unlock()
			return string(w.ledger.stands[c.ID()])
		}
		a.post(Offered{Leg: a, Offer: a.describe()})
		settle()
		a.do(func() { a.since = " spliced" })
		if strings.Contains(stands(), "spliced") {
			t.Fatal("written before it came about")
		}
		time.Sleep(spliceTime)
		settle()
		if !strings.Contains(stands(), "spliced") {
			t.Error("what the media made of the change is not written")
		}
		c.x.Hangup(c.ID(), Normal)
	})
}
