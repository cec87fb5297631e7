package call

import (
	"errors"
	"testing"
	"time"

	"tincan/phone/media"
)

// talk lets parties say packets of 20 ms.
func talk(t *testing.T, packets int, legs ...*leg) {
	t.Helper()
	for range packets {
		for _, l := range legs {
			l.say()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// near allows for the moments at which ways change: a mix fills its jitter
// buffer, an application may be within a tick.
func near(t *testing.T, who *leg, got, want, changes int) {
	t.Helper()
	if got < want-changes*packet || got > want+changes*packet {
		t.Errorf("%s heard %d samples, want %d, give or take %d packets", who.id, got, want, changes)
	}
}

// Any two kinds of leg, by every way and back: what they hear is one stream
// (the ear checks it), as long as what was said.
func TestPairsHearEachOtherByEveryWay(t *testing.T) {
	kinds := []string{"rtp", "iax", "app"}
	for _, kindA := range kinds {
		for _, kindB := range kinds {
			t.Run(kindA+" to "+kindB, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					f := linear
					if kindA == "iax" || kindB == "iax" {
						f = pcmu
					}
					a, b, c := w.answered(kindA, kindB, f)
					before := time.Now()
					a.heard(t)
					b.heard(t)
					ways := []media.Way{media.WayRelay, media.WayTranscode, media.WayMix, media.WayRelay}
					for _, need := range ways {
						c.bridges[0].Need(need)
						if got := c.bridges[0].Way(); got < need {
							t.Errorf("way %v, want %v", got, need)
						}
						time.Sleep(time.Millisecond) // packets and ticks are not in step
						talk(t, 10, a, b)
					}
					passed := int(time.Since(before) / (20 * time.Millisecond))
					near(t, a, a.heard(t), passed*packet, 3)
					near(t, b, b.heard(t), passed*packet, 3)
				})
			})
		}
	}
}

// b is moved from a to d, where it takes the place of e.
func TestTransferIsOneStream(t *testing.T) {
	for _, kind := range []string{"rtp", "iax"} {
		t.Run(kind, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b, one := w.answered("rtp", kind, pcmu)
				d, e, two := w.answered("iax", "app", pcmu)
				b.heard(t)
				talk(t, 10, a, b, d)
				w.transfer(one, b, two, e)
				settle()
				if w.movesDone != 1 || w.lastMove != nil {
					t.Fatalf("told %d times, %v", w.movesDone, w.lastMove)
				}
				d.heard(t)
				talk(t, 10, a, b, d)
				near(t, b, b.heard(t), 20*packet, 1)
				near(t, d, d.heard(t), 10*packet, 0)
				if len(a.hangups) != 1 || len(e.hangups) != 1 || !b.live() || !d.live() {
					t.Errorf("a %v, e %v, b %v, d %v", a.hangups, e.hangups, b.hangups, d.hangups)
				}
				views := two.Snapshot().Legs
				if len(views) != 2 || views[1].ID != b.id {
					t.Errorf("shown as %+v", views)
				}
				if _, ok := w.x.Call(one.id); ok {
					t.Error("the call that it left goes on")
				}
				b.post(Pressed{Leg: b, Digit: media.Digit{Rune: '7'}})
				b.leave(Normal)
				settle()
				r := w.ledger.records[two.id]
				if len(r) != 1 || r[0].EndedBy != "callee" || len(r[0].Legs) != 3 || len(d.digits) != 1 {
					t.Errorf("recorded as %+v", r)
				}
			})
		})
	}
}

// The caller's leg of one call takes the place of the caller of the other.
func TestTransferOfTheCaller(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, one := w.answered("rtp", "rtp", pcmu)
		d, e, two := w.answered("iax", "app", pcmu)
		w.transfer(one, a, two, d)
		settle()
		if w.lastMove != nil || len(b.hangups) != 1 || len(d.hangups) != 1 || !a.live() || !e.live() {
			t.Errorf("%v; b %v, d %v", w.lastMove, b.hangups, d.hangups)
		}
		e.leave(Normal)
		settle()
		if len(a.hangups) != 1 {
			t.Errorf("a is told %v", a.hangups)
		}
	})
}

func TestTransferIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, b, one := w.answered("rtp", "rtp", pcmu)
		d, e, two := w.dialled("iax", "app", pcmu)
		cases := []struct {
			leg, replaced Leg
			to            *Call
			want          error
		}{
			{b, e, two, errMoveRefused},               // rings only
			{e, b, two, errMoveBusy},                  // not of this call
			{b, b, one, errMoveBusy},                  // to itself
			{b, absent{id: "x"}, two, errMoveRefused}, // replaces nobody
		}
		for i, c := range cases {
			w.transfer(one, c.leg, c.to, c.replaced)
			settle()
			if !errors.Is(w.lastMove, c.want) || w.movesDone != i+1 {
				t.Errorf("case %d: %v, told %d times", i, w.lastMove, w.movesDone)
			}
		}
		d.leave(Normal)
		settle()
		w.transfer(one, b, two, e)
		settle()
		if !errors.Is(w.lastMove, errMoveRefused) || state(one) != "answered" {
			t.Errorf("to a call that is over: %v", w.lastMove)
		}
		w.transfer(two, e, one, b)
		settle()
		if !errors.Is(w.lastMove, errMoveEnded) {
			t.Errorf("from a call that is over: %v", w.lastMove)
		}
	})
}

// The other call does not come to it in time; both go on, and both may be
// moved afterwards.
func TestTransferTimesOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, b, one := w.answered("rtp", "rtp", pcmu)
		_, e, two := w.answered("iax", "app", pcmu)
		two.actor.hold()
		w.transfer(one, b, two, e)
		time.Sleep(moveTime)
		settle()
		if !errors.Is(w.lastMove, errMoveTimeout) {
			t.Errorf("got %v", w.lastMove)
		}
		two.actor.release() // its accept comes too late
		settle()
		if two.reserved != nil || one.moving != nil || !b.live() || !e.live() {
			t.Error("the time-out left something behind")
		}
		w.transfer(one, b, two, e)
		settle()
		if w.lastMove != nil || w.movesDone != 2 {
			t.Errorf("afterwards: %v, told %d times", w.lastMove, w.movesDone)
		}
	})
}

// Who is moved has a codec that the other side does not take.
func TestTransferWithoutCommonCodec(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, b, one := w.answered("rtp", "rtp", amr)
		d, e, two := w.answered("iax", "app", pcmu)
		w.transfer(one, b, two, e)
		settle()
		if cause := w.causeOf(t, two); cause != NotAcceptable.Kind || len(b.hangups) != 1 || len(d.hangups) != 1 {
			t.Errorf("%s, b %v, d %v", cause, b.hangups, d.hangups)
		}
	})
}

// Lines of a kind belong together, wherever they are.
func TestJoinsLinesByKind(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, one := w.answered("rtp", "rtp", pcmu)
		d, e, two := w.answered("iax", "app", pcmu)
		video := media.Stream{Kind: media.Video, Name: "video", Proto: "RTP/AVP"}
		one.sides[1].inUse.Streams = append([]media.Stream{video}, one.sides[1].inUse.Streams...)
		b.do(func() { b.flows = append([]media.Flow{nil}, b.flows...) })
		w.transfer(one, b, two, e)
		settle()
		b.heard(t)
		talk(t, 5, a, b, d)
		near(t, b, b.heard(t), 5*packet, 0)
		near(t, d, d.heard(t), 5*packet, 0)
	})
}
