package iax2

import (
	"strings"
	"time"

	"tincan/phone/call"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
)

// take gets the frames of a call (party).
func (l *leg) take(f *frame.Full) {
	switch f.Type {
	case frame.IAX:
		l.command(f)
	case frame.ControlFrame:
		l.control(f.Control())
	case frame.DTMFEnd:
		l.pressed(rune(f.Subclass))
	case frame.Text:
		l.says(f.Payload)
	case frame.Voice:
		l.speaks()
	}
}

// speaks is sound in a whole frame: of a party that is called, what it says before it
// answers.
func (l *leg) speaks() {
	if !l.calledIn && l.stage == early && l.accepted {
		l.progress(183, true)
	}
}

// pressed is a key of the party's; others than these there are not.
func (l *leg) pressed(key rune) {
	if strings.ContainsRune("0123456789*#ABCD", key) {
		l.press(key)
	}
}

// press tells the call of a key, or of a hook flash.
func (l *leg) press(key rune) {
	if l.stage == up {
		l.post(call.Pressed{Leg: l, Digit: media.Digit{Rune: key}})
	}
}

// command gets the protocol's own.
func (l *leg) command(f *frame.Full) {
	e, err := frame.ParseElements(f.Payload)
	if err != nil {
		l.x.s.counts.Malformed.Add(1)
		return
	}
	switch f.Command() {
	case frame.HangupCall, frame.Reject:
		l.x.bye(f.Time)
		l.ended(l.why(f, &e))
	case frame.CallToken:
		l.token(&e)
	case frame.AuthReq:
		l.prove(&e)
	case frame.Accept:
		l.agreed(&e)
	case frame.Pong:
		if e.Report.Present {
			l.flow.reported(e.Report.Value)
		}
	case frame.Quelch:
		l.hold(true)
	case frame.Unquelch:
		l.hold(false)
	case frame.Transfer:
		l.refer(&e)
	case frame.RtKey:
		l.rekeyed(&e)
	case frame.TxReq:
		l.native(&e)
	case frame.New, frame.AuthRep, frame.MWI: // sent again, or of no use
	case frame.TxCnt, frame.TxAcc, frame.TxReady, frame.TxRel, frame.TxRej, frame.TxMedia:
		l.transferring(f, &e)
	default:
		l.x.command(frame.Unsupport, &frame.Elements{UnknownCommand: frame.Some(f.Command())})
	}
}

// why says as a cause how the peer ended the call.
func (l *leg) why(f *frame.Full, e *frame.Elements) call.Cause {
	c := causeOf(e.CauseCode.Value, e.CauseCode.Present, e.Cause)
	if f.Is(frame.Reject) && c.Kind == call.Normal.Kind {
		c = call.Rejected.Why(e.Cause)
	}
	if !l.calledIn && l.stage == early && c.Kind == call.Normal.Kind {
		c = call.Rejected.Why(e.Cause)
	}
	if l.calledIn && l.stage == early && f.Is(frame.HangupCall) {
		c = call.Cancelled
	}
	return c
}

// control gets what happens to the call.
func (l *leg) control(c frame.Control) {
	switch c {
	case frame.Hold:
		l.hold(true)
		return
	case frame.Unhold:
		l.hold(false)
		return
	case frame.Flash:
		l.press('!')
		return
	case frame.VideoUpdate:
		if p := l.pictures; p != nil {
			l.x.after(p.asked)
		}
		return
	case frame.SourceUpdate, frame.SourceChange:
		return
	}
	if l.calledIn || l.stage != early {
		if c == frame.Hangup {
			l.over(call.Normal)
		}
		return
	}
	switch c {
	case frame.Ringing, frame.Ring:
		l.progress(180, false)
	case frame.Progress:
		l.progress(183, true)
	case frame.Answer:
		l.answered()
	case frame.Busy:
		l.over(call.Busy)
	case frame.Congestion:
		l.over(causeOf(congestion, true, "the other side is congested"))
	case frame.Incomplete:
		l.over(call.NotFound.Why("the number is incomplete"))
	case frame.Hangup:
		l.over(call.Rejected)
	}
}

// over ends a call that the peer has given up without saying goodbye.
func (l *leg) over(why call.Cause) {
	if l.stage == gone {
		return
	}
	l.x.command(frame.HangupCall, &frame.Elements{CauseCode: frame.Some(codeOf(why))})
	l.ended(why)
	l.x.leave()
}

// progress tells the call that the party is alerted, or speaks already.
func (l *leg) progress(code int, speaks bool) {
	if l.stage != early {
		return
	}
	r := call.Ringing{Leg: l, Code: code}
	if speaks && l.accepted {
		answer := l.agreement(l.offer)
		r.Early = &answer
	}
	l.post(r)
}

// answered is the party taking the call.
func (l *leg) answered() {
	if !l.accepted {
		l.over(call.Failed.Why("the other side answers a call that it has not accepted"))
		return
	}
	l.stands()
	l.post(call.Answered{Leg: l, Answer: l.agreement(l.offer)})
}

// agreed is the peer accepting our call, in a format.
func (l *leg) agreed(e *frame.Elements) {
	if l.calledIn || l.accepted || l.stage != early {
		return
	}
	if l.x.keys == nil && l.account.encryption == "required" {
		l.over(call.Unencrypted.Why("the other side does not encrypt its calls"))
		return
	}
	f := e.Format & frame.Sounds
	if !f.Single() || !l.can.Set().Has(f) {
		l.over(call.NotAcceptable.Why("the other side takes " + f.String() + ", which it was not offered"))
		return
	}
	l.accepted = true
	l.offered = nil
	l.flow.choose(f, l.can)
	l.flow.bundled = l.account.trunk != nil && l.account.trunk.Trunking
	if both := within(l.sees, e.Format|e.Capability); len(both) > 0 && l.x.keys == nil {
		l.watch()
		l.pictures.choose(both[0])
	}
}

// hold is the party wishing to hear nothing, or to hear again.
func (l *leg) hold(on bool) {
	if l.stage != up || l.held == on {
		return
	}
	l.held, l.flow.paused = on, on
	d := l.agreement(l.offer)
	if st := d.Stream(media.Audio); st != nil {
		st.Direction = media.SendRecv
		if on {
			st.Direction = media.SendOnly
		}
	}
	if !on {
		l.flow.expected = l.flow.engine.Now()
	}
	l.post(call.Offered{Leg: l, Offer: d})
}

// refer is the party wishing that the other one talks to a number instead.
func (l *leg) refer(e *frame.Elements) {
	if l.stage != up || e.CalledNumber == "" {
		l.x.command(frame.Unsupport, &frame.Elements{UnknownCommand: frame.Some(frame.Transfer)})
		return
	}
	l.post(call.Referred{Leg: l, To: e.CalledNumber, Progress: func(c call.Cause) {
		if c.Code >= 200 && c.Code < 300 {
			l.Hangup(call.Normal)
		}
	}})
}

// tick is called each second (ticker).
func (l *leg) tick(now time.Time) {
	if l.stage == gone {
		return
	}
	x := l.x
	if now.Sub(l.asked) >= pingEvery {
		l.asked = now
		x.ping()
	}
	l.assess()
	l.tickTransfer(now)
	l.rotate(now)
}
