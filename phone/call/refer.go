package call

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"tincan/phone/media"
	"tincan/phone/media/quality"
)

// A party that refers the other to a number (RFC 3515) is served here, whatever
// the other side supports:
//
//	this call                      a new call
//	  Referred ──────────────────> stand-in for the referred party dials
//	  told of progress <────────── rings
//	  gives the party up <──────── answered
//	  ends          ─────────────> takes it in place of the stand-in
//
// Until then the two stay together, so that who referred can go on if nobody
// answers; if that one hangs up meanwhile the other waits alone. With the leg of
// another call (RFC 3891 Replaces) the party takes that leg's place at once.

// referral is a party being sent elsewhere.
type referral struct {
	by       Leg // who referred; gone when it hung up meanwhile
	gone     bool
	leg      Leg // who is sent
	progress func(Cause)
	stand    *standIn // calls in the party's name; nil: it replaces another leg
}

// Messages of a call to the one that refers.
type (
	referAnswered struct{ r *referral }
	referFailed   struct {
		r     *referral
		cause Cause
	}
)

// usualForwards is how far a new call may go (RFC 3261 8.1.1.6).
const usualForwards = 70

// referBusy is told to who refers while that cannot be.
var referBusy = Cause{Kind: Failed.Kind, Code: 491, Text: "the call is not answered, or a transfer is under way"}

func (c *Call) referred(m Referred) {
	other, mine, _ := c.peer(m.Leg)
	if c.phase != standing || mine == nil || movedAway(other) || c.referral != nil || c.moving != nil {
		m.Progress(referBusy)
		return
	}
	if far, ok := other.(Referrer); ok && m.Elsewhere != "" && far.Refer(m.Elsewhere, m.Progress) {
		c.x.publish(c, "referred", m.Elsewhere)
		return // who is asked ends its leg of this call when it is done
	}
	r := &referral{by: m.Leg, leg: other, progress: m.Progress}
	c.referral = r
	if m.Replaced != nil {
		c.referInto(r, m)
		return
	}
	dest, ok := c.x.cfg.Router.Route(c.party(m.Leg), m.To)
	if !ok {
		c.endReferral(NotFound.Why("no route for " + m.To))
		return
	}
	set := Setup{
		From: c.party(other), Dialled: m.To, Device: m.Device, Offer: other.Able(), MaxForwards: cmp.Or(c.setup.MaxForwards, usualForwards), ReferredBy: m.Leg.Info().Party,
	}
	r.stand = &standIn{of: other.Info(), id: other.ID(), from: c, r: r}
	if cause, ok := c.x.dialFor(r.stand, dest, set); !ok {
		c.endReferral(cause)
		return
	}
	c.x.publish(c, "referred", m.To)
	c.x.cfg.Logger.Info("transfer begins", "call", c.id, "by", m.Leg.Info().Party, "who", other.Info().Party, "to", m.To)
}

// referInto moves the party to the place of another call's leg: an attended
// transfer, or one to a call that rings still.
func (c *Call) referInto(r *referral, m Referred) {
	to, ok := m.Of.(*Call)
	if !ok || to == c {
		c.endReferral(Cause{Kind: NotFound.Kind, Code: 481, Text: "there is no such call to replace"})
		return
	}
	c.startMove(transfer{r.leg, to, m.Replaced, func(err error) { c.moveOver(r, err) }})
}

// moveOver tells who referred how it went.
func (c *Call) moveOver(r *referral, err error) {
	if err == nil {
		c.endReferral(Normal)
		return
	}
	c.referOver(r, Failed.Why(err.Error()))
}

// dialFor makes a call in which l calls a destination.
func (x *Exchange) dialFor(l Leg, dest string, set Setup) (Cause, bool) {
	n := newCall(x, set)
	n.a, n.destination = l, dest
	if cause, ok := x.add(n); !ok {
		return cause, false
	}
	l.Own(n)
	n.actor.post(begin{})
	return Cause{}, true
}

// party is who a leg is, as a caller.
func (c *Call) party(l Leg) Party {
	if l == c.a {
		return c.setup.From
	}
	i := l.Info()
	p := Party{Ref: i.Party, Number: i.Number, Name: i.Name}
	if p.Number == "" {
		_, p.Number, _ = strings.Cut(i.Party, ":")
	}
	return p
}

// referAnswered is the new call having an answer: the party goes there.
func (c *Call) referAnswered(m referAnswered) {
	if c.referral != m.r {
		return
	}
	to, ok := m.r.stand.call()
	if !ok {
		c.referOver(m.r, Failed.Why("the call ended before the party got there"))
		return
	}
	c.startMove(transfer{m.r.leg, to, m.r.stand, func(err error) { c.moveOver(m.r, err) }})
}

// referOver is a transfer that came to nothing: the two go on, or the one that
// waits alone is let go.
func (c *Call) referOver(r *referral, cause Cause) {
	if c.referral != r {
		return
	}
	alone := r.gone
	c.endReferral(cause)
	if alone && c.phase == standing {
		c.finish(cause.Why("transferred, but "+cause.Error()), "server")
	}
}

// endReferral tells who referred the end, and the stand-in.
func (c *Call) endReferral(cause Cause) {
	r := c.referral
	c.referral = nil
	r.progress(cause)
	if r.stand != nil && cause.Code != Normal.Code {
		r.stand.leave()
	}
}

// referrerLeft lets who referred go while the other waits for its new party. It
// reports whether there was a transfer to wait for.
func (c *Call) referrerLeft(m Ended) bool {
	r := c.referral
	if r == nil || r.by != m.Leg || r.gone {
		return false
	}
	_, mine, _ := c.peer(m.Leg)
	r.gone = true
	c.unjoin()
	m.Leg.Own(nil)
	c.leave(m.Leg, c.start, c.answered, m.Cause, *mine)
	c.replaceBy(m.Leg, absent{m.Leg.Info(), m.Leg.ID()})
	return true
}

// replaceBy puts a leg in the place of another.
func (c *Call) replaceBy(old, l Leg) {
	c.markFork(old)
	if old == c.a {
		c.a = l
	} else {
		c.b = l
	}
}

// standIn is the caller's leg of a call that is made for a party of another: it
// has no media, and is replaced by the party once there is an answer.
type standIn struct {
	of   Info
	id   string
	from *Call
	r    *referral

	mu    sync.Mutex // guards what follows
	owner Owner
	gone  bool
}

var _ Leg = (*standIn)(nil)

func (s *standIn) ID() string { return s.id }

func (s *standIn) Own(o Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = o
}

func (s *standIn) call() (*Call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.owner.(*Call)
	return c, ok
}

// leave ends the call that the stand-in made.
func (s *standIn) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner != nil && !s.gone {
		s.owner.Post(Ended{Leg: s, Cause: Cancelled})
	}
	s.gone = true
}

// Alert passes progress on to who referred.
func (s *standIn) Alert(code int, _ *media.Description) {
	s.r.progress(Cause{Kind: "ringing", Code: code})
}

// Answer asks for the party.
func (s *standIn) Answer(media.Description) { s.from.actor.post(referAnswered{s.r}) }

// Hangup is the end of the call, or of the stand-in alone.
func (s *standIn) Hangup(cause Cause) {
	s.mu.Lock()
	gone := s.gone
	s.gone = true
	s.mu.Unlock()
	if !gone {
		s.from.actor.post(referFailed{s.r, cause})
	}
}

func (s *standIn) Prepare(media.Description)      {}
func (s *standIn) Renew(media.Description)        {}
func (s *standIn) Quality() quality.Account       { return quality.Account{} }
func (s *standIn) Offer(media.Description)        {}
func (s *standIn) Reply(media.Description, error) {}
func (s *standIn) Digit(media.Digit)              {}
func (s *standIn) Flows() []media.Flow            { return nil }
func (s *standIn) Able() media.Description        { return media.Description{} }
func (s *standIn) Release()                       {}
func (s *standIn) Info() Info                     { return s.of }
func (s *standIn) State() []byte                  { return nil }

// maxRedirects bounds how often one call is sent on by the phones that it
// reaches.
const maxRedirects = 5

// Diversion is one sending on of a call (RFC 5806).
type Diversion struct {
	Number string // that was called
	Reason string // as in RFC 5806: unconditional, user-busy, no-answer, deflection, unknown
}

// redirected calls the numbers that a phone names instead of itself.
func (c *Call) redirected(m Redirected) {
	f := c.fork(m.Leg)
	if f == nil || f.ended || c.phase >= answering {
		return
	}
	cause := Cause{Kind: "redirected", Code: 302, Text: "sent on to " + strings.Join(m.To, ", ")}
	set := c.setup
	set.Diverted = append(append([]Diversion(nil), set.Diverted...), Diversion{c.party(m.Leg).Number, m.Reason})
	for _, number := range m.To {
		if len(set.Diverted) > maxRedirects {
			cause = Loop.Why("the call was sent on too often")
			break
		}
		dest, ok := c.x.cfg.Router.Route(c.party(m.Leg), number)
		if !ok {
			cause = NotFound.Why("sent on to " + number + ", for which there is no route")
			continue
		}
		set.Dialled = number
		attempt, err := c.x.cfg.Router.Dial(dest, set, c)
		if len(attempt.Legs) == 0 {
			cause = causeOf(err)
		}
		for _, l := range attempt.Legs {
			c.forks = append(c.forks, &fork{leg: l, start: time.Now()})
		}
		c.setup.Diverted = set.Diverted
	}
	c.x.publish(c, "redirected", strings.Join(m.To, ", "))
	c.forkEnded(f, cause)
}
