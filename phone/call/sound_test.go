package call

import (
	"testing"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// What is played into a call and recorded of it ends, and is told so, when the
// parties change to a codec that is not made here.
func TestSoundEndsWithoutACodec(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, c := w.answered("rtp", "rtp", pcmu)
		over := map[string]int{}
		tap := media.Tap{Rate: 8000, Take: func([]int16) {}}
		source := media.Source{Rate: 8000, Next: func([]int16) bool { return true }}
		for name, s := range map[string]Sound{"tap": {Tap: &tap}, "play": {Play: &source, Side: media.Both}} {
			s.Over = func() { over[name]++ }
			if _, err := w.x.Attach(c.id, s); err != nil {
				t.Fatal(err)
			}
		}
		wish := a.describe()
		wish.Streams[0].Formats = []codec.Format{amr}
		a.post(Offered{Leg: a, Offer: wish})
		settle()
		a.become(amr)
		b.become(amr)
		b.post(Reanswered{Leg: b, Answer: b.describe()})
		settle()
		talk(t, 5, a, b)
		if over["tap"] != 1 || over["play"] != 1 {
			t.Errorf("told of the end: %v", over)
		}
		if got := c.Snapshot().Ways; len(got) != 1 || got[0] != "relay" {
			t.Errorf("carried by %v", got)
		}
		c.x.Hangup(c.id, Normal)
		settle()
		if over["tap"] != 1 || over["play"] != 1 {
			t.Errorf("told of the end again: %v", over)
		}
	})
}
