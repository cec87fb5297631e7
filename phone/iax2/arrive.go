package iax2

import (
	"time"

	"tincan/phone/call"
	"tincan/phone/iax2/frame"
)

// sound is a full voice or video frame, which is given on when the session's lock is free.
type sound struct {
	time    uint32
	format  frame.Format
	payload []byte

	picture, mark bool // it is a piece of a picture, the last one
}

// arrive takes a full frame of the session. It reports whether there is sound in it.
func (x *session) arrive(b []byte, from path) (v sound, ok bool) {
	x.mu.Lock()
	defer x.unlock()
	if x.over {
		return v, false
	}
	if x.keys != nil {
		opened, ok := x.openFull(b)
		if !ok {
			x.s.counts.Forged.Add(1)
			if from.peer == x.path.peer {
				x.unreadable(b)
			}
			return v, false
		}
		b = opened
	}
	f, err := frame.ParseFull(b)
	if err != nil {
		x.s.counts.Malformed.Add(1)
		return v, false
	}
	if from.peer != x.path.peer {
		if l, ok := x.party.(*leg); ok && from.peer == x.aside && f.Type == frame.IAX {
			x.s.trace(false, from, x.ours, b)
			l.beside(&f)
			return v, false
		}
		if x.keys == nil || !x.fresh(&f) {
			x.s.counts.Strangers.Add(1)
			return v, false
		}
		x.s.log.Info("iax2: the peer of an encrypted call has moved", "from", x.path.peer, "to", from.peer)
		x.s.sessions.moved(x, from, x.number)
	}
	x.s.trace(false, x.path, x.ours, b)
	return x.ordered(&f)
}

// fresh tells whether a frame is the next of its session: what is replayed moves
// nobody.
func (x *session) fresh(f *frame.Full) bool { return f.Sequenced() && f.OSeq == x.iseq }

// ordered takes a frame in its turn.
func (x *session) ordered(f *frame.Full) (v sound, ok bool) {
	now := time.Now()
	if x.number == 0 && (f.Sequenced() || f.Is(frame.Ack)) {
		x.s.sessions.numbered(x, f.Source)
	}
	if x.behind {
		x.resume(f)
	}
	if x.unordered(f, now) {
		return v, false
	}
	x.acknowledged(f.ISeq, now)
	if x.over {
		return v, false
	}
	switch ahead := int8(f.OSeq - x.iseq); {
	case ahead < 0: // it was here before, and our word of that was lost
		x.ack(f.Time)
		return v, false
	case ahead > 0:
		x.missing()
		return v, false
	}
	x.iseq++
	x.gap = false
	switch f.Type {
	case frame.Voice:
		v, ok = sound{time: f.Time, format: f.Format(), payload: f.Payload}, true
	case frame.Video:
		v, ok = sound{time: f.Time, picture: true, mark: f.Mark, payload: f.Payload}, true
	}
	if !x.common(f) {
		x.party.take(f)
	}
	if !x.over && x.told != x.iseq {
		x.ack(f.Time)
	}
	return v, ok
}

// unordered takes what has no place in the sequence, and reports whether f was that.
func (x *session) unordered(f *frame.Full, now time.Time) bool {
	if f.Sequenced() {
		return false
	}
	switch f.Command() {
	case frame.Ack:
		x.acknowledged(f.ISeq, now)
	case frame.Inval:
		x.lose(call.Interrupted.Why("the other side knows nothing of the call any more"))
	case frame.Vnak:
		x.acknowledged(f.ISeq, now)
		for i := range x.waiting {
			x.repeat(&x.waiting[i], now)
		}
		if !x.over {
			x.schedule(now)
		}
	default:
		x.party.take(f)
	}
	return true
}

// common answers what any session is asked, and reports whether f was that.
func (x *session) common(f *frame.Full) bool {
	if f.Type != frame.IAX {
		return f.Type == frame.Null
	}
	switch f.Command() {
	case frame.Ping:
		x.send(frame.Full{Type: frame.IAX, Subclass: frame.Subclass(frame.Pong), Time: f.Time, Payload: x.report()}, false)
	case frame.LagReq:
		x.send(frame.Full{Type: frame.IAX, Subclass: frame.Subclass(frame.LagRep), Time: f.Time}, false)
	case frame.LagRep:
	case frame.Pong:
		if !x.pinged.IsZero() {
			x.measured(time.Since(x.pinged))
			x.pinged = time.Time{}
		}
		x.party.take(f)
	default:
		return false
	}
	return true
}

// reporter is a party that knows how the peer's sound fares.
type reporter interface{ report() *frame.Elements }

func (x *session) report() []byte {
	if r, ok := x.party.(reporter); ok {
		return elements(r.report())
	}
	return nil
}

// ack acknowledges the frame of a time (RFC 5456 6.9.1): its time comes back.
func (x *session) ack(time uint32) {
	x.send(frame.Full{Type: frame.IAX, Subclass: frame.Subclass(frame.Ack), Time: time}, false)
}

// missing asks, once, for a frame that was lost on its way.
func (x *session) missing() {
	if x.gap {
		return
	}
	x.gap = true
	x.send(frame.Full{Type: frame.IAX, Subclass: frame.Subclass(frame.Vnak), Time: x.now()}, false)
}

// resume finds out after a restart where both sides are: the peer's frame says what
// comes next from either.
func (x *session) resume(f *frame.Full) {
	x.behind = false
	x.oseq, x.waiting = f.ISeq, nil
	x.iseq = f.OSeq
	x.schedule(time.Now())
}

// ping asks the peer whether it lives.
func (x *session) ping() {
	x.pinged = time.Now()
	x.command(frame.Ping, nil)
}

// unreadable is a frame that cannot be opened. Before the call is taken on it may be
// from who has another key: the peer's secret is another than ours.
func (x *session) unreadable(b []byte) {
	f, err := frame.ParseFull(b)
	switch p := x.party.(type) {
	case *incoming:
		if err == nil && f.Is(frame.New) { // sent again before our question was heard
			return
		}
		if x.leaving { // it was told; to who cannot read that, each word would draw another
			return
		}
		x.s.wrong(x.path.peer, "NEW", p.set.Username)
		if g := x.s.cfg.Gate; g != nil {
			g.Wrong(x.path.peer)
		}
		x.plainly(frame.Reject, &frame.Elements{Cause: "wrong user or password", CauseCode: frame.Some(uint8(callRejected))})
		x.leave()
	case *leg:
		if err == nil && !p.accepted && !p.calledIn && f.Is(frame.Reject) && f.OSeq == x.iseq {
			p.take(&f)
		}
	}
}
