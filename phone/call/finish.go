package call

import (
	"time"

	"tincan/phone/call/record"
	"tincan/phone/media/quality"
)

type recordWritten struct{}

// ledgerTime is how long a call waits for the ledger to keep it. A store that
// hangs keeps no phone waiting longer, neither for an answer nor for the reply
// to its BYE: a restart still finds the call standing, and says so.
const ledgerTime = 2 * time.Second

// finish ends the call: the other parties are told at once; who waits for the
// end to be acknowledged (an unanswered caller, who sent BYE) is told when the
// record is written, so that a crash loses no call that ended.
func (c *Call) finish(cause Cause, by string) {
	unanswered := c.phase < standing
	phase := c.phase
	c.phase, c.endedBy = over, by
	for _, t := range []*time.Timer{c.ring, c.ledger, c.splice} {
		if t != nil {
			t.Stop()
		}
	}
	rec := c.record(cause)
	c.unjoin()
	c.silence()
	c.endMoves(cause)
	for _, f := range c.forks {
		if !f.ended && f.leg != c.b || f.leg == c.b && phase < answering && !f.ended {
			f.leg.Own(nil)
			f.leg.Hangup(toForks(cause))
			f.leg.Release()
		}
	}
	if c.b != nil && phase >= answering {
		c.b.Own(nil)
		if by != "callee" {
			c.b.Hangup(cause)
		}
		b := c.b // its ports are the standing call's until that is written over
		c.afterWritten(b.Release)
	}
	a := c.a
	switch {
	case by == "caller":
	case unanswered:
		c.afterWritten(func() { a.Hangup(cause) })
	default:
		a.Hangup(cause)
	}
	c.afterWritten(func() { a.Own(nil); a.Release() })
	c.afterWritten(func() { c.log(rec, cause) })
	c.x.cfg.Ledger.End(rec, func(error) { c.deliver(recordWritten{}) })
	c.ledger = time.AfterFunc(ledgerTime, func() { c.actor.post(recordWritten{}) })
	c.x.publish(c, "ended", cause.Kind)
	c.publishSnapshot()
}

// log says in one line what a call was.
func (c *Call) log(rec record.Record, cause Cause) {
	ids := make([]string, len(rec.Legs))
	for i, l := range rec.Legs {
		ids[i] = l.CallID
	}
	c.x.cfg.Logger.Info("call ended", "call", c.id, "from", rec.From, "to", rec.To, "dialled", rec.Dialled, "sip_call_ids", ids,
		"cause", cause.Kind, "detail", cause.Text, "by", rec.EndedBy, "seconds", int(rec.End.Sub(rec.Start).Seconds()))
}

// toForks tells parties that were still ringing why it stops.
func toForks(cause Cause) Cause {
	switch cause.Kind {
	case Cancelled.Kind, NoAnswer.Kind, Elsewhere.Kind:
		return cause
	}
	return Cancelled
}

// afterWritten runs f when the record is kept: later, or now.
func (c *Call) afterWritten(f func()) {
	if c.written == nil && c.phase == over && c.a == nil {
		f()
		return
	}
	c.written = append(c.written, f)
}

// recordWritten comes once or twice: from the ledger, and when it took too
// long.
func (c *Call) recordWritten() {
	c.ledger.Stop()
	for _, f := range c.written {
		f()
	}
	c.written, c.a, c.b, c.forks = nil, nil, nil, nil
	c.x.remove(c) // last: who drains waits for the parties to be told
}

// leave takes a leg out of the call before the call's end: its part of the
// record is kept, its media given back.
func (c *Call) leave(l Leg, start, answered time.Time, cause Cause, s side) {
	c.gone = append(c.gone, legRecord(l, start, answered, cause, s))
	l.Release()
}

func (c *Call) record(cause Cause) record.Record {
	now := time.Now()
	rec := record.Record{
		ID: c.id, Node: c.x.cfg.Node, Start: c.start, Answer: c.answered, End: now,
		From: c.setup.From.Ref, FromName: c.setup.From.Name, To: c.to(), Dialled: c.setup.Dialled,
		Cause: cause.Kind, Detail: cause.Text, SIPCode: cause.Code, EndedBy: c.endedBy,
	}
	if c.phase == over && c.answered.IsZero() && cause.Kind == Normal.Kind {
		rec.Cause = Failed.Kind
	}
	if !movedAway(c.a) {
		rec.Legs = append(rec.Legs, legRecord(c.a, c.start, c.answered, cause, c.sides[0]))
	}
	rec.Legs = append(rec.Legs, c.gone...)
	seen := false
	for _, f := range c.forks {
		switch {
		case f.leg == c.b && !c.answered.IsZero():
			rec.Legs = append(rec.Legs, legRecord(f.leg, f.start, c.answered, cause, c.sides[1]))
			seen = true
		case !f.ended:
			rec.Legs = append(rec.Legs, legRecord(f.leg, f.start, time.Time{}, cause, side{}))
		}
	}
	if c.b != nil && !seen && !c.answered.IsZero() && !movedAway(c.b) {
		rec.Legs = append(rec.Legs, legRecord(c.b, c.answered, c.answered, cause, c.sides[1]))
	}
	return rec
}

func legRecord(l Leg, start, answered time.Time, cause Cause, s side) record.Leg {
	i := l.Info()
	var fared *quality.Account
	if a := l.Quality(); !answered.IsZero() && (len(a.Samples) > 0 || len(a.Troubles) > 0) {
		fared = &a
	}
	return record.Leg{
		ID: l.ID(), Kind: i.Kind, Party: i.Party, Device: i.Device, CallID: i.CallID, Remote: i.Remote,
		Start: start, Answer: answered, End: time.Now(), Cause: cause.Kind, Code: cause.Code,
		Codec: s.codec, CodecBy: s.decided(i), Encryption: i.Encryption,
		PacketsIn: i.Stats.In.Packets, PacketsOut: i.Stats.Out.Packets, Lost: uint64(max(i.Stats.Lost, 0)), JitterMS: i.Stats.Jitter,
		Quality: fared,
	}
}
