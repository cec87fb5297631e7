package call

import (
	"slices"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// renewal is one party's wish that the other is asked about: another codec, a
// fax, a picture.
type renewal struct {
	from, to    Leg
	wish, offer media.Description // of from; to to
}

// agreed answers the wish as the other side did.
func (c *Call) agreed(r *renewal, given media.Description, asked, wishing *side) {
	answer, err := media.AnswerFrom(r.wish, given)
	if err != nil { // the other side chose what was not offered
		c.disagreed(r)
		return
	}
	c.renewal = nil
	c.unjoin()
	*asked = side{leg: r.to, local: r.offer, inUse: given, held: asked.held, codec: given.Codec(), codecB: asked.codecB}
	r.from.Renew(answer)
	wishing.local, wishing.inUse, wishing.codec = answer, answer, answer.Codec()
	wishing.codecB, asked.codecB = "changed in the call by "+r.from.Info().Party, "changed in the call by "+r.from.Info().Party
	c.setHeld(wishing, r.wish)
	if !c.join() {
		r.from.Reply(media.Description{}, NotAcceptable.Why("the media cannot be joined"))
		c.finish(NotAcceptable.Why("the media cannot be joined after a change"), "server")
		return
	}
	r.from.Reply(answer, nil)
	c.changed()
}

// disagreed answers the wish here after the other side refused: what is in use
// stays if it can, else the wish gets what is made from it.
func (c *Call) disagreed(r *renewal) {
	c.renewal = nil
	_, mine, _ := c.peer(r.from)
	if mine == nil {
		return
	}
	wish := Offered{r.from, r.wish}
	answer, err := media.Keep(r.wish, mine.inUse)
	switch {
	case err == nil && slices.ContainsFunc(answer.Streams, func(s media.Stream) bool { return !s.Refused() }):
		c.keep(wish, mine)
	case r.wish.Stream(media.Audio) != nil:
		c.transcode(wish, mine)
	default:
		r.from.Reply(media.Description{}, NotAcceptable.Why("the other side does not take that"))
	}
}

// transcode answers with a codec that the server can make of what the other side
// keeps.
func (c *Call) transcode(m Offered, mine *side) {
	offer, err := media.OfferFrom(m.Offer, codec.Made(), nil)
	if err == nil {
		offer, err = media.AnswerFrom(m.Offer, offer)
	}
	if err != nil {
		m.Leg.Reply(media.Description{}, NotAcceptable.Why("the other side keeps its codec: "+err.Error()))
		return
	}
	before := *mine
	m.Leg.Renew(offer)
	mine.local, mine.inUse, mine.codec = offer, offer, offer.Codec()
	if !c.join() {
		*mine = before
		m.Leg.Reply(media.Description{}, NotAcceptable.Why("the other side keeps its codec"))
		c.join()
		return
	}
	c.setHeld(mine, m.Offer)
	m.Leg.Reply(offer, nil)
	c.changed()
}

// dropRenewal refuses a wish that a transfer overtook.
func (c *Call) dropRenewal() {
	if r := c.renewal; r != nil {
		c.renewal = nil
		r.from.Reply(media.Description{}, NotAcceptable.Why("the call is being transferred"))
	}
}
