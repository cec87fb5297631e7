package call

import (
	"errors"
	"time"

	"tincan/phone/media"
	"tincan/phone/media/quality"
)

// A leg moves between calls by offer and accept:
//
//	from: Transfer          to:
//	  moveOffer  ───────────> reserves the leg to be replaced, or refuses
//	  gives the leg up <───── moveAccept
//	  moved      ───────────> joins it, lets the replaced leg go
//	  moveCancel ───────────> (time-out, or the leg ended meanwhile)
//
// Neither waits for the other: each handles what comes, and whatever one has
// given the other finds its end even if the other is over by then.

// moveTime is how long the other call may take to accept.
const moveTime = 2 * time.Second

var (
	errMoveTimeout = errors.New("the other call did not accept in time")
	errMoveRefused = errors.New("the other call has no such leg to replace, or is busy with another transfer")
	errMoveBusy    = errors.New("the leg is not in a standing call, or is being moved already")
	errMoveEnded   = errors.New("the call ended before the leg was moved")
)

type move struct {
	leg   Leg
	to    *Call
	timer *time.Timer
	done  func(error)
}

type (
	transfer struct {
		leg      Leg
		to       *Call
		replaced Leg
		done     func(error)
	}
	moveOffer struct {
		from     *Call
		token    *move
		replaced Leg
	}
	moveAccept  struct{ token *move }
	moveRefuse  struct{ token *move }
	moveTimeout struct{ token *move }
	moveCancel  struct{ token *move }
	moved       struct {
		token *move
		leg   Leg
		side  side
	}
)

// Transfer moves one of the call's legs to another call, where it takes the
// place of a leg that is let go (RFC 3891's Replaces). The rest of this call
// ends. done is told once.
func (c *Call) Transfer(leg Leg, to *Call, replaced Leg, done func(error)) {
	if taken, _ := c.actor.offer(transfer{leg, to, replaced, done}, nil); !taken {
		done(errMoveBusy)
	}
}

func (c *Call) handleMove(m any) {
	switch m := m.(type) {
	case transfer:
		c.startMove(m)
	case moveOffer:
		c.reserve(m)
	case moveAccept:
		c.give(m.token)
	case moveRefuse:
		c.stopMove(m.token, errMoveRefused)
	case moveTimeout:
		if c.moving == m.token {
			m.token.to.actor.post(moveCancel(m))
			c.stopMove(m.token, errMoveTimeout)
		}
	case moveCancel:
		if c.reserved != nil && c.reserved.token == m.token {
			c.reserved = nil
		}
	case moved:
		c.take(m)
	}
}

func (c *Call) startMove(m transfer) {
	if _, mine, _ := c.peer(m.leg); c.phase != standing || mine == nil || c.moving != nil || c.reserved != nil || m.to == c {
		m.done(errMoveBusy)
		return
	}
	token := &move{leg: m.leg, to: m.to, done: m.done}
	if taken, _ := m.to.actor.offer(moveOffer{c, token, m.replaced}, nil); !taken {
		m.done(errMoveRefused)
		return
	}
	token.timer = time.AfterFunc(moveTime, func() { c.actor.post(moveTimeout{token}) })
	c.moving = token
}

func (c *Call) reserve(m moveOffer) {
	_, mine, _ := c.peer(m.replaced)
	rings := c.phase < answering && m.replaced == c.a
	if c.phase != standing && !rings || mine == nil || c.reserved != nil || c.moving != nil {
		m.from.actor.post(moveRefuse{m.token})
		return
	}
	c.reserved = &m
	m.from.actor.post(moveAccept{m.token})
}

// give hands the leg over and ends what is left here.
func (c *Call) give(token *move) {
	if c.moving != token {
		token.to.actor.post(moveCancel{token})
		return
	}
	_, mine, _ := c.peer(token.leg)
	c.dropRenewal()
	c.unjoin()
	c.gone = append(c.gone, legRecord(token.leg, c.start, c.answered, Cause{Kind: "moved", Code: 200}, *mine))
	token.to.actor.post(moved{token, token.leg, *mine})
	c.forward = token // what it tells this call before it knows the new owner
	c.replaceBy(token.leg, absent{token.leg.Info(), token.leg.ID()})
	c.x.publish(c, "moved", token.to.id)
	c.stopMove(token, nil)
	c.finish(Normal.Why("moved to call "+token.to.id), "server")
}

func (c *Call) markFork(l Leg) {
	if f := c.fork(l); f != nil {
		f.ended = true
	}
}

func (c *Call) stopMove(token *move, err error) {
	if c.moving != token {
		return
	}
	token.timer.Stop()
	c.moving = nil
	token.done(err)
}

// take puts the moved leg in the place of the one it replaces.
func (c *Call) take(m moved) {
	if c.reserved == nil || c.reserved.token != m.token {
		letGo(m.leg, Normal)
		return
	}
	if c.phase == answering { // it was answered meanwhile, and is being written
		c.arrived = &m
		return
	}
	replaced := c.reserved.replaced
	c.reserved, c.arrived = nil, nil
	if c.phase < answering {
		c.takeRinging(m, replaced)
		return
	}
	_, mine, theirs := c.peer(replaced)
	c.unjoin()
	c.letOut(replaced, *mine)
	m.leg.Own(c)
	c.replaceBy(replaced, m.leg)
	*mine, c.pending = m.side, nil // what was to be offered was for the leg that left
	c.conform(m.leg, mine, theirs)
	if !c.join() {
		c.finish(NotAcceptable.Why("the transferred party has "+mine.codec+", which the other side does not take"), "server")
		return
	}
	c.x.publish(c, "moved", m.leg.Info().Party)
	c.changed()
}

// takeRinging makes the moved leg the caller of a call that nobody answered yet:
// a transfer before the answer. It has media already, and is offered what the
// answer brings.
func (c *Call) takeRinging(m moved, replaced Leg) {
	c.unjoin()
	replaced.Own(nil)
	replaced.Hangup(Cancelled)
	c.leave(replaced, c.start, time.Time{}, Cause{Kind: "replaced", Code: 200}, side{})
	m.leg.Own(c)
	c.a, c.b, c.sides[0] = m.leg, nil, m.side
	c.setup.Offer = m.leg.Able()
	c.earlyFrom, c.early = m.leg, m.side.inUse
	c.x.publish(c, "moved", m.leg.Info().Party)
}

// conform offers a party that was moved here the codec of the other side, if it
// has another and can take that one.
func (c *Call) conform(l Leg, mine, theirs *side) {
	if mine.codec == theirs.codec {
		return
	}
	if want, err := media.AnswerFrom(l.Able(), theirs.inUse); err == nil {
		c.pending, c.offeredTo = &want, l
		l.Offer(want)
	}
}

// endMoves is called when the call ends for another reason.
func (c *Call) endMoves(Cause) {
	if m := c.moving; m != nil {
		m.to.actor.post(moveCancel{m})
		c.stopMove(m, errMoveEnded)
	}
	if m := c.arrived; m != nil {
		c.arrived = nil
		letGo(m.leg, Normal)
	}
	c.reserved = nil
	if c.referral != nil {
		c.endReferral(noSuchLeg)
	}
}

// lateMove answers what other calls ask of one that is over.
func (c *Call) lateMove(m any) {
	switch m := m.(type) {
	case transfer:
		m.done(errMoveEnded)
	case moveOffer:
		m.from.actor.post(moveRefuse{m.token})
	case moveAccept:
		m.token.to.actor.post(moveCancel(m))
	case moved:
		letGo(m.leg, Normal)
	}
}

func movedAway(l Leg) bool { _, ok := l.(absent); return ok }

// absent stands where a leg was that another call has now.
type absent struct {
	info Info
	id   string
}

func (a absent) ID() string                     { return a.id }
func (a absent) Own(Owner)                      {}
func (a absent) Alert(int, *media.Description)  {}
func (a absent) Answer(media.Description)       {}
func (a absent) Prepare(media.Description)      {}
func (a absent) Renew(media.Description)        {}
func (a absent) Quality() quality.Account       { return quality.Account{} }
func (a absent) Hangup(Cause)                   {}
func (a absent) Offer(media.Description)        {}
func (a absent) Reply(media.Description, error) {}
func (a absent) Digit(media.Digit)              {}
func (a absent) Flows() []media.Flow            { return nil }
func (a absent) Able() media.Description        { return media.Description{} }
func (a absent) Release()                       {}
func (a absent) Info() Info                     { return a.info }
func (a absent) State() []byte                  { return nil }
