package call

import "tincan/phone/media"

// join bridges the two legs line by line, after taking earlier bridges down.
// It reports whether the sound could be joined.
func (c *Call) join() bool {
	c.unjoin()
	a, b := c.a.Flows(), c.b.Flows()
	for i := range min(len(a), len(b)) {
		if a[i] == nil || b[i] == nil {
			continue
		}
		br := media.Join(a[i], b[i])
		if err := br.Err(); err != nil {
			br.Close()
			c.x.cfg.Logger.Warn("media cannot be joined", "call", c.id, "line", i, "error", err)
			if c.pending == nil && i == 0 {
				return false
			}
			continue
		}
		c.bridges = append(c.bridges, br)
	}
	c.muteHeld()
	return true
}

func (c *Call) unjoin() {
	for _, br := range c.bridges {
		br.Close()
	}
	c.bridges = nil
}

// muteHeld makes who is on hold hear nothing of who holds, and the other way.
func (c *Call) muteHeld() {
	held := c.sides[0].held || c.sides[1].held
	for _, br := range c.bridges {
		br.Mute(0, held)
		br.Mute(1, held)
	}
}

// offered answers a party's wish to change its media here, without troubling
// the other side: hold, resume, a new address. The codecs in use must stay.
func (c *Call) offered(m Offered) {
	_, mine, _ := c.peer(m.Leg)
	if mine == nil || c.phase < answering {
		m.Leg.Reply(media.Description{}, NotAcceptable.Why("not yet"))
		return
	}
	answer, err := media.Keep(m.Offer, mine.inUse)
	if err != nil {
		m.Leg.Reply(media.Description{}, NotAcceptable.Why(err.Error()))
		return
	}
	m.Leg.Reply(answer, nil)
	mine.local = answer
	c.setHeld(mine, m.Offer)
	for _, br := range c.bridges {
		br.Reconfigured()
	}
	c.muteHeld()
	c.save(nil)
}

func (c *Call) setHeld(s *side, offer media.Description) {
	held := s.held
	if st := offer.Stream(media.Audio); st != nil {
		s.held = st.Direction&media.RecvOnly == 0
	}
	switch {
	case s.held && !held:
		c.x.publish(c, "held", s.leg.Info().Party)
	case !s.held && held:
		c.x.publish(c, "resumed", s.leg.Info().Party)
	}
}

// reanswered is the caller taking the codec of the party that answered.
func (c *Call) reanswered(m Reanswered) {
	_, mine, _ := c.peer(m.Leg)
	if mine == nil {
		return
	}
	if c.pending != nil && m.Leg == c.a {
		mine.inUse, mine.codec = m.Answer, m.Answer.Codec()
		mine.codecB = "re-offered: " + c.b.Info().Party + " answered with another codec than the early media had"
		c.pending = nil
		c.join()
	}
	c.save(nil)
}

func (c *Call) offerRefused(m OfferRefused) {
	if c.pending == nil || m.Leg != c.a {
		return
	}
	c.pending = nil
	if !c.join() {
		c.finish(NotAcceptable.Why("the caller keeps "+c.sides[0].codec+", the other side takes "+c.sides[1].codec), "server")
	}
}
