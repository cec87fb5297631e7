package call

import (
	"slices"
	"time"

	"tincan/phone/event"
	"tincan/phone/media/quality"
)

// trouble is what users hear of a party at present.
type trouble struct {
	leg Leg
	quality.Trouble
}

// troubled keeps what begins, forgets what is over, and tells both.
func (c *Call) troubled(m Troubled) {
	if _, mine, _ := c.peer(m.Leg); mine == nil {
		return
	}
	c.troubles = slices.DeleteFunc(c.troubles, func(t trouble) bool { return t.leg == m.Leg && t.Kind == m.Trouble.Kind })
	step := "over"
	if m.Trouble.Until == 0 {
		step = "begins"
		c.troubles = append(c.troubles, trouble{m.Leg, m.Trouble})
	}
	party := m.Leg.Info().Party
	c.x.cfg.Logger.Info("the quality of a call", "call", c.id, "party", party, "kind", m.Trouble.Kind.String(), "step", step, "detail", m.Trouble.Text)
	if c.x.cfg.Bus != nil && c.x.cfg.Bus.Listened() {
		c.x.cfg.Bus.Publish(event.Quality{
			Time: time.Now(), Call: c.id, Party: party, Kind: m.Trouble.Kind.String(), Step: step, Detail: m.Trouble.Text,
		})
	}
}

// troublesOf are what users hear of a leg, in words.
func (c *Call) troublesOf(l Leg) (words []string) {
	for _, t := range c.troubles {
		if t.leg == l {
			words = append(words, t.Text)
		}
	}
	return words
}

// PartyQuality is how one party's sound fares.
type PartyQuality struct {
	Party string `json:"party"`
	Codec string `json:"codec,omitempty"`
	quality.Account
}

type askQuality struct{ answer chan<- []PartyQuality }

// Quality tells how the sound of a call's parties fares; ErrNoCall: it does not
// stand.
func (x *Exchange) Quality(id string) ([]PartyQuality, error) {
	c, ok := x.Call(id)
	if !ok {
		return nil, ErrNoCall
	}
	answer := make(chan []PartyQuality, 1)
	c.actor.post(askQuality{answer})
	got := <-answer
	if got == nil {
		return nil, ErrNoCall
	}
	return got, nil
}

func (c *Call) tellQuality(m askQuality) {
	var all []PartyQuality
	if c.phase == standing {
		for i, l := range []Leg{c.a, c.b} {
			all = append(all, PartyQuality{l.Info().Party, c.sides[i].codec, l.Quality()})
		}
	}
	m.answer <- all
}
