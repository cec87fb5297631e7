package call

import (
	"cmp"
	"time"

	"tincan/phone/media"
)

// widen calls the destination once more after it took none of the caller's
// codecs, and offers those beside that the server makes. At first it does not,
// because many phones choose their own favourite of what is offered: then much
// would be transcoded that need not be.
func (c *Call) widen(refused Cause) bool {
	if c.widened || refused.Kind != NotAcceptable.Kind && !refused.Again || c.phase >= answering {
		return false
	}
	set := c.setup
	offer, ok := media.Widened(set.Offer, set.From.Codecs)
	if !ok {
		return false
	}
	set.Offer, set.From.Codecs = offer, nil // the list has had its say
	attempt, err := c.x.cfg.Router.Dial(c.destination, set, c)
	if err != nil {
		c.x.cfg.Logger.Debug("nor is a transcoded call possible", "call", c.id, "error", err)
	}
	if len(attempt.Legs) == 0 {
		return false
	}
	c.widened = true
	c.wait(attempt)
	return true
}

// wait waits for an answer of one of the legs.
func (c *Call) wait(a Attempt) {
	for _, l := range a.Legs {
		c.forks = append(c.forks, &fork{leg: l, start: time.Now()})
	}
	if c.ring != nil {
		c.ring.Stop()
	}
	c.ring = time.AfterFunc(cmp.Or(a.Ring, c.x.ringTime()), func() { c.actor.post(ringOver{}) })
}

// lacks reports whether the caller did not offer what a callee chose.
func (c *Call) lacks(given media.Description) bool {
	_, err := media.AnswerFrom(c.setup.Offer, media.Arranged(given, c.setup.Offer))
	return err != nil
}

// answerFrom makes the caller's answer of what a callee answered: its codec, or
// one that the server makes from it. offered: the callee made the offer itself.
func (c *Call) answerFrom(given media.Description, offered bool) (media.Description, error) {
	given = media.Arranged(given, c.setup.Offer)
	answer, err := media.AnswerFrom(c.setup.Offer, given)
	if err != nil && (c.widened || offered) {
		return media.AnswerMade(c.setup.Offer, given, c.setup.From.Codecs)
	}
	return answer, err
}
