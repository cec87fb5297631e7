package call

import (
	"time"

	"tincan/phone/media"
)

// noSuchLeg refuses who wants the place of a leg that is not there any more.
var noSuchLeg = Cause{Kind: NotFound.Kind, Code: 481, Text: "the call to take over is over"}

// picked is a caller that wants the place of a leg of this call (RFC 3891): that
// of a phone that rings, whose call it picks up, or that of a party in the call.
func (c *Call) picked(m Picked) {
	f := c.fork(m.Leg)
	_, mine, theirs := c.peer(m.Leg)
	switch {
	case c.phase < answering && f != nil && !f.ended:
		c.pickUp(m)
	case c.phase == standing && mine != nil && c.reserved == nil && c.moving == nil && c.referral == nil && !m.EarlyOnly:
		c.takeOver(m, mine, theirs)
	case c.phase == standing && m.EarlyOnly: // RFC 3891 3
		letGo(m.By, Cause{Kind: Busy.Kind, Code: 486, Text: "the call is answered already"})
	default:
		letGo(m.By, noSuchLeg)
	}
}

// pickUp takes the caller for an answer to the call.
func (c *Call) pickUp(m Picked) {
	offer, err := media.OfferFrom(c.setup.Offer, c.setup.From.Codecs, m.Setup.From.Codecs)
	if err == nil {
		offer, err = media.AnswerFrom(m.Setup.Offer, offer)
	}
	if err != nil {
		letGo(m.By, NotAcceptable.Why(err.Error()))
		return
	}
	c.forks = append(c.forks, &fork{leg: m.By, start: time.Now()})
	m.By.Own(c)
	c.x.publish(c, "picked up", m.Setup.From.Ref)
	c.answer(Answered{Leg: m.By, Answer: offer})
}

// takeOver puts the caller in the place of a party.
func (c *Call) takeOver(m Picked, mine, theirs *side) {
	answer, err := media.AnswerFrom(m.Setup.Offer, theirs.inUse)
	if err != nil {
		letGo(m.By, NotAcceptable.Why(err.Error()))
		return
	}
	c.unjoin()
	c.letOut(m.Leg, *mine)
	m.By.Own(c)
	c.replaceBy(m.Leg, m.By)
	*mine, c.pending = side{leg: m.By, local: answer, inUse: answer, codec: answer.Codec(), codecB: "the call that was taken over"}, nil
	if m.By == c.a {
		c.setup.From = m.Setup.From
	}
	c.x.publish(c, "taken over", m.Setup.From.Ref)
	c.taking = m.By
	c.save(func(error) { c.deliver(takenOver{m.By}) })
	c.ledger = time.AfterFunc(ledgerTime, func() { c.actor.post(takenOver{m.By}) })
}

// takenOver comes when the call is written with its new party, or when that took
// too long: once or twice.
type takenOver struct{ leg Leg }

func (c *Call) takenOver(m takenOver) {
	_, mine, _ := c.peer(m.leg)
	if c.phase != standing || mine == nil || c.taking != m.leg {
		return // answered already, or told with the call's end
	}
	c.taking = nil
	c.ledger.Stop()
	m.leg.Prepare(mine.local)
	if !c.join() {
		c.finish(NotAcceptable.Why("the party that took over has "+mine.codec+", which the other side does not take"), "server")
		return
	}
	m.leg.Answer(mine.local)
}

// letOut lets a leg go that another takes the place of.
func (c *Call) letOut(l Leg, s side) {
	c.dropRenewal()
	l.Own(nil)
	l.Hangup(Normal)
	if _, stand := l.(*standIn); !stand {
		c.leave(l, c.start, c.answered, Cause{Kind: "replaced", Code: 200}, s)
	}
}
