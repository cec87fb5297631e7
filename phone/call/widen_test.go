package call

import (
	"slices"
	"testing"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// refuses is a party that takes none of the codecs offered.
func (l *leg) refuses() { l.leave(NotAcceptable.Why("Not Acceptable Here")) }

// Who takes none of the caller's codecs is offered more, and is transcoded.
func TestCalleeWithoutTheCallersCodecs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, first, again := w.newLeg("a", "rtp", pcmu, true), w.newLeg("b", "rtp", pcma, false), w.newLeg("b", "rtp", pcma, false)
		w.dials["x"] = []*leg{first}
		w.call(a, "x")
		settle()
		w.dials["x"] = []*leg{again}
		first.refuses()
		settle()
		if len(w.dialledWith) != 2 {
			t.Fatalf("dialled %d times", len(w.dialledWith))
		}
		offered := w.dialledWith[1].Offer.Streams[0].Formats
		if offered[0] != pcmu || !slices.ContainsFunc(offered, pcma.Same) {
			t.Fatalf("the second time %v is offered", offered)
		}
		again.accept()
		settle()
		c := a.owner.(*Call)
		if s := c.Snapshot(); s.Legs[0].Codec != "pcmu" || s.Legs[1].Codec != "pcma" || !slices.Equal(s.Ways, []string{"transcode"}) {
			t.Fatalf("%+v by %v", s.Legs, s.Ways)
		}
		if len(a.answers) != 1 || !slices.Equal(a.answers[0].Streams[0].Formats, []codec.Format{pcmu}) {
			t.Errorf("the caller is answered %+v", a.answers)
		}
		talk(t, 10, a, again)
		time.Sleep(200 * time.Millisecond)
		near(t, a, a.heard(t), 10*packet, 3)
		near(t, again, again.heard(t), 10*packet, 3)
	})
}

// Once is enough; and nobody is asked again for another reason, or when there is
// nothing to make of the caller's codec.
func TestCalleeIsAskedAgainOnceAtMost(t *testing.T) {
	cases := map[string]struct {
		format codec.Format
		leave  func(*leg)
		cause  string
		times  int
	}{
		"twice refused":   {pcmu, (*leg).refuses, NotAcceptable.Kind, 2},
		"encrypted":       {pcmu, func(l *leg) { l.leave(Cause{Kind: Unencrypted.Kind, Code: 488, Again: true}) }, Unencrypted.Kind, 2},
		"not encrypted":   {pcmu, func(l *leg) { l.leave(Unencrypted) }, Unencrypted.Kind, 1},
		"busy":            {pcmu, func(l *leg) { l.leave(Busy) }, Busy.Kind, 1},
		"nothing to make": {amr, (*leg).refuses, NotAcceptable.Kind, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.newLeg("a", "rtp", c.format, true)
				legs := []*leg{w.newLeg("b", "rtp", pcma, false)}
				for len(legs) < c.times {
					legs = append(legs, w.newLeg("b", "rtp", pcma, false))
				}
				w.dials["x"] = legs[:1]
				w.call(a, "x")
				settle()
				call := a.owner.(*Call)
				w.dials["x"] = legs[1:]
				for _, l := range legs {
					c.leave(l)
					settle()
				}
				if cause := w.causeOf(t, call); cause != c.cause || len(w.dialledWith) != c.times {
					t.Errorf("%s after %d attempts", cause, len(w.dialledWith))
				}
			})
		})
	}
}

// A destination whose list of codecs has none of the caller's is asked with the
// server's at once.
func TestListWithoutTheCallersCodecs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refuse = &media.NoCommonCodec{}
		a := w.newLeg("a", "rtp", pcmu, true)
		w.call(a, "x")
		settle()
		if len(w.dialledWith) != 2 || len(a.hangups) != 1 || a.hangups[0].Kind != NotAcceptable.Kind {
			t.Errorf("%d attempts, told %v", len(w.dialledWith), a.hangups)
		}
	})
}
