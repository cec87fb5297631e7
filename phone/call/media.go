package call

import (
	"slices"

	"tincan/phone/media"
)

// join bridges the two legs line by line, after taking earlier bridges down.
// It reports whether the sound could be joined.
func (c *Call) join() bool {
	c.unjoin()
	for _, p := range c.pairs() {
		br := media.Join(p.a, p.b)
		if err := br.Err(); err != nil {
			br.Close()
			c.x.cfg.Logger.Warn("media cannot be joined", "call", c.id, "kind", p.kind.String(), "error", err)
			if c.pending == nil && p.kind == media.Audio {
				return false
			}
			continue
		}
		c.bridges = append(c.bridges, br)
		if p.kind == media.Audio && c.sound == nil {
			c.sound = br
			c.resume()
		}
	}
	c.muteHeld()
	return true
}

// pair is two flows that belong together.
type pair struct {
	kind media.Kind
	a, b media.Flow
}

// pairs finds for each line of the one the first of its kind of the other:
// after a transfer their descriptions need not have the same lines.
func (c *Call) pairs() (out []pair) {
	taken := map[int]bool{}
	b := c.sides[1].lines(c.b)
	for _, l := range c.sides[0].lines(c.a) {
		j := slices.IndexFunc(b, func(o line) bool { return o.kind == l.kind && !taken[o.place] })
		if j < 0 {
			continue
		}
		taken[b[j].place] = true
		out = append(out, pair{l.kind, l.flow, b[j].flow})
	}
	return out
}

// line is one that a party takes part in.
type line struct {
	place int
	kind  media.Kind
	flow  media.Flow
}

func (s *side) lines(l Leg) (out []line) {
	for i, f := range l.Flows() {
		if f != nil && i < len(s.inUse.Streams) {
			out = append(out, line{i, s.inUse.Streams[i].Kind, f})
		}
	}
	return out
}

func (c *Call) unjoin() {
	for _, br := range c.bridges {
		br.Close()
	}
	c.bridges, c.sound = nil, nil
}

// muteHeld makes who is on hold hear nothing of who holds but music, and the other
// way nothing.
func (c *Call) muteHeld() {
	held := c.sides[0].held || c.sides[1].held
	for _, br := range c.bridges {
		br.Mute(0, held)
		br.Mute(1, held)
	}
	if c.phase == standing {
		c.entertain()
	}
}

// offered answers a party's wish to change its media: here, without troubling
// the other side, if it is hold, resume or a new address; else the other side is
// asked.
func (c *Call) offered(m Offered) {
	other, mine, theirs := c.peer(m.Leg)
	if mine == nil || c.phase < answering {
		m.Leg.Reply(media.Description{}, NotAcceptable.Why("not yet"))
		return
	}
	if !movedAway(other) && media.Brings(m.Offer, m.Leg.Able(), mine.inUse) && c.askOther(m, other, theirs) {
		return
	}
	c.keep(m, mine)
}

// askOther passes a wish on to the other side: when the call stands, if it does not
// yet. While either is asked already the wish is to be made again (RFC 3261 14.2).
func (c *Call) askOther(m Offered, other Leg, theirs *side) bool {
	switch {
	case c.phase == answering:
		c.hasty = &m
		return true
	case c.phase != standing:
		return false
	case c.pending != nil || c.renewal != nil:
		m.Leg.Reply(media.Description{}, tryAgain)
		return true
	}
	want, err := media.Instead(m.Offer, theirs.local)
	if err != nil {
		return false
	}
	c.renewal = &renewal{from: m.Leg, to: other, wish: m.Offer, offer: want}
	other.Offer(want)
	return true
}

// tryAgain answers a wish that crosses another.
var tryAgain = Cause{Kind: Failed.Kind, Code: 491, Text: "another change of media is under way"}

// keep answers with what is in use.
func (c *Call) keep(m Offered, mine *side) {
	answer, err := media.Keep(m.Offer, mine.inUse)
	if err != nil {
		m.Leg.Reply(media.Description{}, NotAcceptable.Why(err.Error()))
		return
	}
	m.Leg.Renew(answer)
	mine.local = answer
	c.setHeld(mine, m.Offer)
	for _, br := range c.bridges {
		br.Reconfigured()
	}
	c.muteHeld()
	m.Leg.Reply(answer, nil) // last: the party may speak with it
	c.changed()
}

func (c *Call) setHeld(s *side, offer media.Description) {
	held := s.held
	switch st := offer.Stream(media.Audio); {
	case st != nil:
		s.held = st.Direction&media.RecvOnly == 0
	case s.codec != "": // the sound is off for now, as at port 0
		s.held = offer.Stream(media.Video) == nil && offer.Stream(media.Text) == nil && offer.Stream(media.Image) == nil
	}
	switch {
	case s.held && !held:
		c.x.publish(c, "held", s.leg.Info().Party)
	case !s.held && held:
		c.x.publish(c, "resumed", s.leg.Info().Party)
	}
}

// renewed is a party answering an offer that it asked for: no other codecs, but
// hold and resume come so too.
func (c *Call) renewed(m Renewed) {
	_, mine, _ := c.peer(m.Leg)
	if mine == nil {
		return
	}
	c.setHeld(mine, m.Answer)
	for _, br := range c.bridges {
		br.Reconfigured()
	}
	c.muteHeld()
	c.changed()
}

// reanswered is a party taking the codec of the other side.
func (c *Call) reanswered(m Reanswered) {
	_, mine, theirs := c.peer(m.Leg)
	if mine == nil {
		return
	}
	if r := c.renewal; r != nil && m.Leg == r.to {
		c.agreed(r, m.Answer, mine, theirs)
		return
	}
	if c.pending != nil && m.Leg == c.offeredTo {
		mine.local, mine.inUse, mine.codec = *c.pending, m.Answer, m.Answer.Codec()
		mine.codecB = "re-offered: the other side has another codec than the party began with"
		c.pending = nil
		if !c.join() {
			c.finish(NotAcceptable.Why(mine.leg.Info().Party+" took "+mine.codec+", the other side has "+theirs.codec), "server")
			return
		}
	}
	c.changed()
}

func (c *Call) offerRefused(m OfferRefused) {
	if r := c.renewal; r != nil && m.Leg == r.to {
		c.disagreed(r)
		return
	}
	if c.pending == nil || m.Leg != c.offeredTo {
		return
	}
	c.pending = nil
	if !c.join() {
		c.finish(NotAcceptable.Why("the caller has "+c.sides[0].codec+", the other side "+c.sides[1].codec), "server")
	}
}
