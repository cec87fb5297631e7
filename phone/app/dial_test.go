package app

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/app/conference"
	"tincan/phone/call"
	"tincan/phone/codec"
	"tincan/phone/media"
)

// A destination that is written wrongly refuses the call and says what to write.
func TestDestinationsThatAreWrong(t *testing.T) {
	bare := func(c *Config) { c.Prompts, c.Rooms, c.Music, c.Recordings = nil, nil, nil, "" }
	for to, c := range map[string]struct {
		change func(*Config)
		kind   call.Cause
		says   string
	}{
		"app:nothing":                     {nil, call.NotFound, "no application nothing"},
		"app:":                            {nil, call.NotFound, "no application"},
		"voicemail:101":                   {nil, call.NotFound, "no application 101"},
		"app:play":                        {nil, call.NotFound, "write which recordings"},
		"app:play/hello":                  {bare, call.NotFound, "write which recordings"},
		"app:tone/nothing":                {nil, call.NotFound, "tones by name are dial"},
		"app:tone/0/0":                    {nil, call.NotFound, "is no length"},
		"app:delayed-echo/10":             {nil, call.NotFound, "20 to 10000"},
		"app:delayed-echo/10001":          {nil, call.NotFound, "20 to 10000"},
		"app:delayed-echo/-500":           {nil, call.NotFound, "20 to 10000"},
		"app:delayed-echo/soon":           {nil, call.NotFound, "20 to 10000"},
		"app:delayed-echo/99999999999999": {nil, call.NotFound, "20 to 10000"},
		"app:record/../../etc/passwd":     {nil, call.NotFound, "letters, digits"},
		"app:record/memo":                 {bare, call.NotFound, "no folder"},
		"app:music":                       {nil, call.NotFound, "[sound] music"},
		"conference:lounge":               {bare, call.NotFound, "no conferences"},
	} {
		inHouse(t, c.change, func(t *testing.T, h *house) {
			of, name, _ := strings.Cut(to, ":")
			name, rest, _ := strings.Cut(name, "/")
			owner := &caller{}
			_, err := h.Dial(of, name, rest, setup(pcmu), owner)
			var cause call.Cause
			if !errors.As(err, &cause) || cause.Kind != c.kind.Kind || !strings.Contains(cause.Text, c.says) {
				t.Errorf("%s: %v", to, err)
			}
			if len(owner.events) > 0 {
				t.Errorf("%s: the owner is told %v of a leg that is not there", to, owner.events)
			}
		})
	}
}

// What an application answers an offer with, at first and in the call: one codec of
// the caller's that it can make, echo whatever comes; and that it stays out of the
// rest.
func TestAnswers(t *testing.T) {
	fax := media.Stream{Kind: media.Image, RTP: media.Pending}
	for name, c := range map[string]struct {
		app    string
		offer  media.Description
		answer []codec.Format // of the first line; nil: refused
	}{
		"the first of two":       {"milliwatt", offer(line(media.Audio, pcma, pcmu, keys)), []codec.Format{pcma, keys}},
		"the one that is made":   {"milliwatt", offer(line(media.Audio, amr, pcmu, keys)), []codec.Format{pcmu, keys}},
		"none that is made":      {"milliwatt", offer(line(media.Audio, amr, keys)), nil},
		"echo of any":            {"echo", offer(line(media.Audio, amr, pcmu, keys)), []codec.Format{amr, keys}},
		"sound beside a picture": {"milliwatt", offer(line(media.Audio, pcmu, keys), line(media.Video, vp8)), []codec.Format{pcmu, keys}},
		"keys alone":             {"milliwatt", offer(line(media.Audio, keys)), nil},
		"a fax":                  {"milliwatt", offer(fax), nil},
		"a picture alone":        {"echo", offer(line(media.Video, vp8)), nil},
		"nothing":                {"milliwatt", offer(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				owner := &caller{}
				leg, err := h.Dial("app", c.app, "", call.Setup{CallID: "call-1", Offer: c.offer}, owner)
				if (err == nil) != (c.answer != nil) {
					t.Fatalf("at first: %v", err)
				}
				if err == nil {
					answered, _ := owner.events[0].(call.Answered)
					wantLines(t, "at first", answered.Answer, c.answer)
					leg.Release()
				}

				owner = &caller{}
				leg, err = h.Dial("app", c.app, "", setup(pcmu, keys), owner)
				if err != nil {
					t.Fatal(err)
				}
				leg.Offer(c.offer)
				switch e := owner.events[1].(type) {
				case call.Reanswered:
					wantLines(t, "in the call", e.Answer, c.answer)
				case call.OfferRefused:
					if c.answer != nil {
						t.Errorf("in the call: %v", e.Err)
					}
				default:
					t.Errorf("in the call: %T", e)
				}
				leg.Release()
			})
		})
	}
}

// wantLines wants a first line of some formats and all others refused.
func wantLines(t *testing.T, when string, d media.Description, formats []codec.Format) {
	t.Helper()
	for i := range d.Streams {
		switch st := &d.Streams[i]; {
		case i > 0 || formats == nil:
			if !st.Refused() {
				t.Errorf("%s: line %d is taken", when, i)
			}
		case cmp.Diff(formats, st.Formats) != "":
			t.Errorf("%s: %s", when, cmp.Diff(formats, st.Formats))
		}
	}
}

// An application begins anew after a restart, with the same names, for the same call.
func TestRevive(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.sound("word", 600, time.Second)
		first := h.phones("app", "play", "word")
		time.Sleep(500 * time.Millisecond)
		state := first.leg.State()
		first.leaves()

		c := &caller{}
		leg, err := h.Revive(state, c)
		if err != nil {
			t.Fatal(err)
		}
		if leg.ID() != first.leg.ID() || leg.Info().Party != "app:play/word" {
			t.Errorf("%s is %+v, was %s, %+v", leg.ID(), leg.Info(), first.leg.ID(), first.leg.Info())
		}
		c.meets(h, leg)
		time.Sleep(1500 * time.Millisecond)
		about(t, "the word", c.hears(600), time.Second)
		c.hungUp(t)
		c.leaves()

		for _, spoiled := range [][]byte{nil, []byte("{"), []byte(`{"name":"nothing"}`), []byte(`{"name":"echo"}`)} {
			if _, err := h.Revive(spoiled, c); err == nil {
				t.Errorf("%q is revived", spoiled)
			}
		}
	})
}

// Who comes into a room is heard to come, and to go; the first is welcomed.
func TestConferenceComesAndGoes(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.sound("conf-onlyperson", 2000, time.Second)
		first := h.phones("conference", "lounge", "")
		time.Sleep(2 * time.Second)
		about(t, "the welcome", first.hears(2000), time.Second)
		second := h.phones("conference", "lounge", "")
		second.speaks(1500)
		time.Sleep(time.Second)
		if got := first.hears(660, 1500); got[0] < 100*time.Millisecond || got[1] < 900*time.Millisecond {
			t.Errorf("the first hears the second come for %v, and speak for %v", got[0], got[1])
		}
		if got := second.hears(2000, 1500); got[0]+got[1] > 0 {
			t.Errorf("the second hears the welcome of the first for %v, itself for %v", got[0], got[1])
		}
		second.leaves()
		time.Sleep(time.Second)
		if got := first.hears(660); got[0] < 60*time.Millisecond {
			t.Errorf("the first hears the second go for %v", got[0])
		}
		first.leaves()
		if rooms := h.config.Rooms.List(); len(rooms) != 0 {
			t.Errorf("left: %v", rooms)
		}
	})
}

// A room that is full is busy, and gets no one more.
func TestConferenceIsFull(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		var in []*conference.Member
		for i := range conference.MaxSeats {
			m, _, err := h.config.Rooms.Enter("lounge", fmt.Sprint("call-", i))
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, m)
		}
		_, err := h.Dial("conference", "lounge", "", setup(pcmu), &caller{})
		var cause call.Cause
		if !errors.As(err, &cause) || cause.Kind != call.Busy.Kind {
			t.Errorf("%v", err)
		}
		for _, m := range in {
			m.Leave()
		}
		synctest.Wait()
	})
}
