package call

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"tincan/phone/call/record"
	"tincan/phone/media"
)

// phase is how far a call is. It only grows.
type phase uint8

const (
	dialling phase = iota
	ringing
	answering // a party answered; the standing call is being written
	standing
	over
)

func (p phase) String() string {
	return [...]string{"dialling", "ringing", "answering", "answered", "ended"}[p]
}

// side is one of the two ends of a bridge.
type side struct {
	leg    Leg
	local  media.Description // what we answered or offered to it
	inUse  media.Description // what it takes part with: its own lines, reduced to the agreed
	held   bool              // it asked to hear nothing
	codec  string
	codecB string // who decided the codec
}

// decided tells who decided how a party's sound is carried.
func (s *side) decided(i Info) string {
	if s.codecB == "" || i.Treatment == "" {
		return s.codecB
	}
	return s.codecB + "; with " + i.Treatment
}

// fork is a party being called.
type fork struct {
	leg   Leg
	start time.Time
	rang  bool
	ended bool
	cause Cause
}

// Call joins a caller's leg and the leg that answered. All fields below actor
// belong to the handler of messages.
type Call struct {
	x     *Exchange
	id    string
	setup Setup
	actor actor
	snap  atomic.Pointer[Snapshot]

	phase       phase
	start       time.Time
	answered    time.Time
	destination string
	a           Leg
	b           Leg // the winner, or who gives early media
	sides       [2]side
	forks       []*fork
	widened     bool // the forks were offered more codecs than the caller's
	earlyFrom   Leg
	early       media.Description  // the answer that the caller was given early
	pending     *media.Description // what offeredTo was offered, until it answers
	offeredTo   Leg
	bridges     []*media.Bridge
	sound       *media.Bridge // of them, that of the voices
	sounds      []*attached
	music       [2]*attached // what a side on hold hears
	troubles    []trouble
	ring        *time.Timer
	ledger      *time.Timer // the ledger has until then to answer
	splice      *time.Timer // until the standing call is written again
	moving      *move
	endedBy     string
	reserved    *moveOffer
	arrived     *moved // waits until the call stands
	forward     *move
	referral    *referral
	renewal     *renewal
	hasty       *Offered // a wish that came before the call stood
	taking      Leg      // took a party's place, and is answered when that is written
	written     []func()
	gone        []record.Leg // legs that left before the end
}

// Messages of the mailbox beside Events.
type (
	begin    struct{}
	end      struct{ cause Cause }
	ringOver struct{}
	stood    struct{} // the standing call is written, or has to do without
)

func newCall(x *Exchange, s Setup) *Call {
	c := &Call{x: x, id: x.cfg.NewID(), setup: s, start: time.Now()}
	c.setup.CallID = c.id
	c.actor.handle, c.actor.workers = c.handle, &x.workers
	c.publishSnapshot()
	return c
}

// deliver posts from a goroutine that has nothing else to do than to bring
// messages, and handles it there.
func (c *Call) deliver(m any) {
	c.x.Enter()
	c.actor.post(m)
	c.x.Leave()
}

// ID names the call in logs, records and events.
func (c *Call) ID() string { return c.id }

// Post takes an event of a leg, which may hold its own lock meanwhile. The end
// of a leg comes once and is never lost.
func (c *Call) Post(e Event) {
	if _, ok := e.(Ended); ok {
		c.actor.post(e)
		return
	}
	if _, first := c.actor.offer(e, end{Failed.Why("flooded")}); first {
		c.x.cfg.Logger.Warn("call's mailbox is full; a party floods it, so it ends", "call", c.id)
	}
}

func (c *Call) handle(m any) {
	if c.phase == over {
		c.late(m)
		return
	}
	switch m := m.(type) {
	case begin:
		c.begin()
	case adopted:
		c.adopted()
	case Ringing:
		c.ringing(m)
	case Answered:
		c.answer(m)
	case stood:
		c.stood()
	case Offered:
		c.offered(m)
	case Reanswered:
		c.reanswered(m)
	case Renewed:
		c.renewed(m)
	case OfferRefused:
		c.offerRefused(m)
	case Referred:
		c.referred(m)
	case referAnswered:
		c.referAnswered(m)
	case referFailed:
		c.referOver(m.r, m.cause)
	case Redirected:
		c.redirected(m)
	case Picked:
		c.picked(m)
	case takenOver:
		c.takenOver(m)
	case Pressed:
		c.pressed(m)
	case Troubled:
		c.troubled(m)
	case Silent:
		c.silent(m)
	case Changed:
		c.changed()
	case spliced:
		c.spliced()
	case Ended:
		c.legEnded(m)
	case ringOver:
		if c.phase < answering {
			c.finish(NoAnswer, "server")
		}
	case end:
		c.finish(m.cause, "server")
	case askQuality:
		c.tellQuality(m)
	case attach:
		c.attach(m)
	case detach:
		c.detach(m.a)
	case played:
		c.played(m)
	default:
		c.handleMove(m)
	}
	if c.phase != over { // else finish has
		c.publishSnapshot()
	}
}

// late sees to what arrives when the call is over: everything that a leg still
// brings must find its end.
func (c *Call) late(m any) {
	if e, ok := m.(Event); ok && c.forward != nil && e.from() == c.forward.leg {
		c.forward.to.Post(e)
		return
	}
	switch m := m.(type) {
	case attach:
		m.done <- ErrNoCall
	case askQuality:
		m.answer <- nil
	case Offered:
		m.Leg.Reply(media.Description{}, Normal)
	case Ended:
		if m.Written != nil {
			c.afterWritten(m.Written)
		}
	case Referred:
		m.Progress(noSuchLeg)
	case Picked:
		letGo(m.By, noSuchLeg)
	case stood, spliced, ringOver, end, takenOver, referAnswered, referFailed:
	case recordWritten:
		c.recordWritten()
	default:
		c.lateMove(m)
	}
}

func (c *Call) begin() {
	c.x.publish(c, "incoming", c.setup.Dialled)
	if c.debugged() {
		c.x.cfg.Logger.Debug("call comes in", "call", c.id, "from", c.setup.From.Ref, "dialled", c.setup.Dialled, "sip_call_id", c.a.Info().CallID)
	}
	if c.setup.Barred != nil {
		c.finish(*c.setup.Barred, "server")
		return
	}
	if c.destination == "" {
		dest, ok := c.x.cfg.Router.Route(c.setup.From, c.setup.Dialled)
		if !ok {
			c.finish(NotFound.Why("no route for this number"), "server")
			return
		}
		c.destination = dest
	}
	c.dial(c.destination)
}

func (c *Call) dial(dest string) {
	attempt, err := c.x.cfg.Router.Dial(dest, c.setup, c)
	if len(attempt.Legs) > 0 {
		c.wait(attempt)
	} else if cause := causeOf(err); !c.widen(cause) {
		c.finish(cause, "server")
	}
}

func causeOf(err error) Cause {
	var cause Cause
	var codecs *media.NoCommonCodec
	switch {
	case err == nil:
		return Failed
	case errors.As(err, &cause):
		return cause
	case errors.As(err, &codecs):
		return NotAcceptable.Why(err.Error())
	case errors.Is(err, media.ErrNoPorts):
		return NoPorts
	}
	return Failed.Why(err.Error())
}

func (c *Call) fork(l Leg) *fork {
	for _, f := range c.forks {
		if f.leg == l {
			return f
		}
	}
	return nil
}

// ringing passes progress on: the first early media wins, later ones ring only.
func (c *Call) ringing(m Ringing) {
	f := c.fork(m.Leg)
	if f == nil || f.ended || c.phase >= answering {
		return
	}
	f.rang = true
	first := c.phase == dialling
	c.phase = ringing
	if m.Early != nil && c.earlyFrom == nil {
		if answer, err := c.answerFrom(*m.Early, m.Offered); err == nil {
			c.earlyFrom, c.early = m.Leg, answer
			c.agree(m.Leg, *m.Early, answer)
			c.a.Prepare(answer)
			c.join()
			c.a.Alert(183, &answer)
			c.x.publish(c, "early", "")
			return
		}
	}
	if first && c.earlyFrom == nil || m.Code == 180 && m.Leg == c.earlyFrom {
		var early *media.Description
		if c.earlyFrom != nil {
			early = &c.early
		}
		c.a.Alert(m.Code, early)
		c.x.publish(c, "ringing", "")
	}
}

// agree notes what both sides take part with.
func (c *Call) agree(b Leg, calleeAnswer, callerAnswer media.Description) {
	c.b = b
	c.sides[0] = side{leg: c.a, local: callerAnswer, inUse: callerAnswer, codec: callerAnswer.Codec()}
	c.sides[1] = side{leg: b, local: calleeAnswer, inUse: calleeAnswer, codec: calleeAnswer.Codec()}
	by := b.Info().Party + " chose among the caller's codecs that both sides allow"
	if c.lacks(calleeAnswer) {
		by = b.Info().Party + " took none of the caller's codecs: the server makes it"
	}
	c.sides[0].codecB, c.sides[1].codecB = by, by
}

// answer takes the first answer and lets the others go.
func (c *Call) answer(m Answered) {
	f := c.fork(m.Leg)
	if f == nil || f.ended || c.phase >= answering {
		return // it has been told already that it is not wanted
	}
	answer, err := c.answerFrom(m.Answer, m.Offered)
	if err != nil {
		m.Leg.Hangup(NotAcceptable.Why(err.Error()))
		c.forkEnded(f, causeOf(err))
		return
	}
	c.phase, c.answered = answering, time.Now()
	c.ring.Stop()
	c.dropOthers(m.Leg)
	c.settle(m.Leg, m.Answer, answer)
	c.save(func(error) { c.deliver(stood{}) })
	c.ledger = time.AfterFunc(ledgerTime, func() { c.actor.post(stood{}) })
}

// settle prepares the caller's answer. A caller who was given another party's
// early answer keeps it in the 200 (RFC 3261 13.2.1: they must be the same) and
// is re-offered the winner's codec afterwards.
func (c *Call) settle(b Leg, calleeAnswer, answer media.Description) {
	if c.earlyFrom == nil || c.earlyFrom == b {
		c.agree(b, calleeAnswer, answer)
		return
	}
	c.agree(b, calleeAnswer, c.early)
	if c.early.Codec() != answer.Codec() {
		c.pending = &answer
	}
}

func (c *Call) dropOthers(winner Leg) {
	if c.earlyFrom != nil && c.earlyFrom != winner {
		c.unjoin()
	}
	for _, f := range c.forks {
		if f.leg != winner && !f.ended {
			f.ended, f.cause = true, Elsewhere
			f.leg.Own(nil)
			f.leg.Hangup(Elsewhere)
			c.leave(f.leg, f.start, time.Time{}, Elsewhere, side{})
		}
	}
}

func (c *Call) stood() {
	if c.phase != answering {
		return
	}
	c.phase = standing
	c.ledger.Stop()
	c.a.Prepare(c.sides[0].local)
	c.b.Prepare(c.sides[1].local) // of who picked the call up
	if !c.join() {
		c.finish(NotAcceptable.Why("the caller takes "+c.sides[0].codec+", the other side "+c.sides[1].codec), "server")
		return
	}
	if c.earlyFrom != c.a { // a party that was moved here was answered where it called
		c.a.Answer(c.sides[0].local)
	}
	c.b.Answer(c.sides[1].local)
	c.x.publish(c, "answered", c.sides[0].codec)
	c.tellUnencrypted()
	if c.debugged() {
		c.x.cfg.Logger.Debug("call answered", "call", c.id, "sip_call_ids", c.wireIDs(), "from", c.setup.From.Ref, "to", c.to(), "codec", c.sides[0].codec, "callee_codec", c.sides[1].codec)
	}
	if c.pending != nil {
		c.offeredTo = c.a
		c.a.Offer(*c.pending)
	}
	if m := c.hasty; m != nil {
		c.hasty = nil
		c.offered(*m)
	}
	if c.arrived != nil {
		c.take(*c.arrived)
	}
}

// debugged tells whether it is worth it to gather what a line of debugging says.
func (c *Call) debugged() bool {
	return c.x.cfg.Logger.Enabled(context.Background(), slog.LevelDebug)
}

// tellUnencrypted says whose sound is not encrypted though that was wanted.
func (c *Call) tellUnencrypted() {
	for _, l := range []Leg{c.a, c.b} {
		if i := l.Info(); i.Unencrypted {
			c.x.publish(c, "unencrypted", i.Party)
			c.x.cfg.Logger.Info("call is not encrypted with one party, though that is wanted", "call", c.id, "party", i.Party)
		}
	}
}

// wireIDs names both legs as their messages do, so that a log of SIP can be
// searched for them.
func (c *Call) wireIDs() []string { return []string{c.a.Info().CallID, c.b.Info().CallID} }

func (c *Call) to() string {
	if c.b != nil {
		return c.b.Info().Party
	}
	return c.destination
}

func (c *Call) peer(l Leg) (other Leg, mine, theirs *side) {
	switch l {
	case c.a:
		return c.b, &c.sides[0], &c.sides[1]
	case c.b:
		return c.a, &c.sides[1], &c.sides[0]
	}
	return nil, nil, nil
}

func (c *Call) pressed(m Pressed) {
	if other, _, _ := c.peer(m.Leg); other != nil {
		other.Digit(m.Digit)
	}
}

func (c *Call) silent(m Silent) {
	_, mine, theirs := c.peer(m.Leg)
	if c.phase != standing || mine == nil || mine.held || theirs.held {
		return
	}
	c.x.cfg.Logger.Warn("no media for too long; the call ends", "call", c.id, "party", m.Leg.Info().Party)
	c.finish(MediaTimeout.Why("no media from "+m.Leg.Info().Party), "server")
}

// legEnded is a party leaving. If the call goes on without it there is no
// record to wait for.
func (c *Call) legEnded(m Ended) {
	c.ended(m)
	switch {
	case m.Written == nil:
	case c.phase == over:
		c.afterWritten(m.Written)
	default:
		m.Written()
	}
}

func (c *Call) ended(m Ended) {
	switch {
	case c.referrerLeft(m):
	case m.Leg == c.a:
		c.finish(m.Cause, m.by("caller"))
	case m.Leg == c.b && c.phase >= answering:
		c.finish(m.Cause, m.by("callee"))
	default:
		if f := c.fork(m.Leg); f != nil && !f.ended {
			c.forkEnded(f, m.Cause)
		}
	}
}

// by tells who ended a leg: its party, but what cannot be secured or finds no way the
// server ends, though the party would go on.
func (m Ended) by(party string) string {
	if m.Cause.Kind == Unencrypted.Kind || m.Cause.Kind == MediaTimeout.Kind {
		return "server"
	}
	return party
}

// forkEnded gives up when no party is left, with the best of their reasons
// (RFC 3261 16.7 point 6).
func (c *Call) forkEnded(f *fork, cause Cause) {
	f.ended, f.cause = true, cause
	if f.leg == c.earlyFrom {
		c.unjoin()
		c.b = nil
	}
	f.leg.Own(nil)
	c.leave(f.leg, f.start, time.Time{}, cause, side{})
	best := cause
	for _, o := range c.forks {
		if !o.ended {
			return
		}
		if rank(o.cause) < rank(best) {
			best = o.cause
		}
	}
	if !c.widen(best) {
		c.finish(best, "callee")
	}
}

// rank orders reasons: what a person decided before what a network did.
func rank(c Cause) int {
	switch {
	case c.Code >= 600:
		return 0
	case c.Code == 486:
		return 1
	case c.Code == 488 || c.Code == 415 || c.Code == 404:
		return 2
	case c.Code == 480:
		return 3
	case c.Code < 500 && c.Code != 408:
		return 4
	}
	return 5
}
