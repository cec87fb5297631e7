package iax2

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"tincan/phone/call"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
)

// A server between two parties can leave them to each other (RFC 5456 6.3), where the
// trunks of both allow it:
//
//	A ───────── server ───────── B
//	  <── TXREQ ──┴── TXREQ ──>        where the other is, and its call number
//	  ─── TXCNT, TXACC, both ways ───  do we reach each other?
//	  ── TXREADY ─┬─ TXREADY ──
//	  <── TXREL ──┴── TXREL ──>        both count from 0 again, with each other
//
// The server's record ends there. An encrypted call stays: its keys are of the server.

// Times of a transfer.
const (
	// settled is how long a call stands before its parties are left to each other: what
	// changes at its beginning (another codec, an early hold) has changed by then.
	settled = 3 * time.Second
	// connectFor is how long two parties may take to reach each other.
	connectFor = 5 * time.Second
)

// transfer is one under way, of one leg.
type transfer struct {
	id    uint32
	other *leg // the server's: the leg that is to talk with this one's party
	ready bool // TXREADY came

	to     path // the party's: where the other is
	number uint16
	until  time.Time
	heard  bool // TXACC came
}

// noAddr is nobody's.
var noAddr netip.AddrPort

// direct is a way of media that hands packets on from one flow to another.
type direct interface{ Direct() media.Flow }

// joined notes with whom the party is joined without anything between.
func (f *flow) joined(to media.Sink) {
	f.other = nil
	if d, ok := to.(direct); ok {
		f.other, _ = d.Direct().(*flow)
	}
}

// mayLeave tells whether the party may be left to another.
func (l *leg) mayLeave() bool {
	t := l.account.trunk
	return t != nil && t.Transfer && l.stage == up && l.x.keys == nil && !l.held && !l.stayed
}

// leaveAlone begins a transfer if both parties allow one. Called each second.
func (l *leg) leaveAlone(now time.Time) {
	if l.transfer != nil || !l.calledIn || !l.mayLeave() || now.Sub(l.since) < settled {
		return
	}
	other := l.flow.other
	if other == nil || other.leg == nil || other.leg == l {
		return
	}
	me, format := l, l.flow.chosen
	l.x.after(func() { me.propose(other.leg, format) })
}

// propose asks both to reach each other. It takes one lock after the other.
func (l *leg) propose(o *leg, format frame.Format) {
	id := rand.Uint32()
	there, ok := o.offerTransfer(l, id, format, nil)
	if !ok {
		return
	}
	here, ok := l.offerTransfer(o, id, format, there)
	if !ok {
		o.stays()
		return
	}
	o.x.mu.Lock()
	defer o.x.unlock()
	if o.transfer != nil {
		o.x.command(frame.TxReq, here)
	}
}

// offerTransfer prepares a leg, tells its party where the other is, and gives where it
// is itself.
func (l *leg) offerTransfer(o *leg, id uint32, format frame.Format, there *frame.Elements) (*frame.Elements, bool) {
	l.x.mu.Lock()
	defer l.x.unlock()
	if !l.mayLeave() || l.transfer != nil || l.flow.chosen != format {
		return nil, false
	}
	l.transfer = &transfer{id: id, other: o, until: time.Now().Add(2 * connectFor)}
	if there != nil {
		l.x.command(frame.TxReq, there)
	}
	return &frame.Elements{ApparentAddress: l.x.path.peer, CallNumber: l.x.number, TransferID: id}, true
}

// stays gives a transfer up, for good.
func (l *leg) stays() {
	l.x.mu.Lock()
	defer l.x.unlock()
	l.transfer, l.stayed = nil, true
}

// native answers the wish of the server between two parties to be left out.
func (l *leg) native(e *frame.Elements) {
	x := l.x
	p, err := x.s.pathTo(e.ApparentAddress, x.path.local.String())
	if !l.mayLeave() || e.CallNumber == 0 || !e.ApparentAddress.IsValid() || err != nil {
		x.command(frame.TxRej, nil)
		return
	}
	p.port = x.path.port // one reader a call
	l.transfer = &transfer{id: e.TransferID, to: p, number: e.CallNumber, until: time.Now().Add(connectFor)}
	x.aside = p.peer
	l.connect()
}

// connect says to the other party that we are here, until it is heard.
func (l *leg) connect() { l.aside(frame.TxCnt, &frame.Elements{TransferID: l.transfer.id}) }

// aside sends a frame past the server between.
func (l *leg) aside(c frame.Command, e *frame.Elements) {
	x, t := l.x, l.transfer
	f := frame.Full{Source: x.ours, Dest: t.number, Time: x.stamp(), Type: frame.IAX, Subclass: frame.Subclass(c), Payload: elements(e)}
	b := frame.AppendFull(nil, f)
	x.s.trace(true, t.to, x.ours, b)
	t.to.port.send(t.to, b)
}

// beside gets what comes past the server between.
func (l *leg) beside(f *frame.Full) {
	t := l.transfer
	if t == nil || t.other != nil || f.Source != t.number {
		return
	}
	switch f.Command() {
	case frame.TxCnt:
		l.aside(frame.TxAcc, nil)
	case frame.TxAcc:
		if !t.heard {
			t.heard = true
			l.x.command(frame.TxReady, &frame.Elements{CallNumber: l.x.ours})
		}
	}
}

// transferring gets the frames of a transfer from who began it, or from a party of it.
func (l *leg) transferring(f *frame.Full, e *frame.Elements) {
	t := l.transfer
	switch {
	case t == nil:
	case f.Is(frame.TxReady) && t.other != nil:
		t.ready = true
		other := t.other
		l.x.after(func() { l.release(other) })
	case f.Is(frame.TxRej) && t.other != nil:
		l.transfer, l.stayed = nil, true
		other := t.other
		l.x.after(other.stays)
	case f.Is(frame.TxRej):
		l.transfer, l.x.aside = nil, noAddr
	case f.Is(frame.TxRel) && t.other == nil && t.heard:
		l.goesOver(f, e)
	}
}

// release lets both parties go once both are ready. It takes one lock after the other.
func (l *leg) release(o *leg) {
	here, a := l.isReady(o)
	there, b := o.isReady(l)
	if !a || !b || !l.let(there) {
		return
	}
	o.let(here)
}

// isReady gives the number of a party that is ready to talk with another's.
func (l *leg) isReady(o *leg) (number uint16, ok bool) {
	l.x.mu.Lock()
	defer l.x.unlock()
	t := l.transfer
	return l.x.number, t != nil && t.other == o && t.ready && l.stage == up
}

// let ends a leg whose party goes on elsewhere.
func (l *leg) let(number uint16) bool {
	l.x.mu.Lock()
	defer l.x.unlock()
	if l.stage != up {
		return false
	}
	l.x.command(frame.TxRel, &frame.Elements{CallNumber: number})
	l.ended(call.Normal.Why("the parties talk with each other directly"))
	l.x.leave()
	return true
}

// goesOver talks with the other party from now on.
func (l *leg) goesOver(f *frame.Full, e *frame.Elements) {
	x, t := l.x, l.transfer
	number := t.number
	if e.CallNumber != 0 {
		number = e.CallNumber
	}
	x.ack(f.Time) // to whom we leave
	x.s.sessions.moved(x, t.to, number)
	x.afresh()
	x.rtt, x.pinged, x.gap = 0, time.Time{}, false
	l.transfer, x.aside = nil, noAddr
	l.flow.out.any, l.flow.bundled = false, false
	l.changed()
	x.s.log.Info("iax2: a call goes on without the server between", "call", l.logged, "peer", t.to.peer)
}

// tickTransfer says again that we are here, and gives up when it is time.
func (l *leg) tickTransfer(now time.Time) {
	t := l.transfer
	switch {
	case t == nil:
		l.leaveAlone(now)
	case now.After(t.until) && t.other != nil:
		l.transfer, l.stayed = nil, true
	case now.After(t.until):
		l.transfer, l.x.aside = nil, noAddr
		l.x.command(frame.TxRej, nil)
	case t.other == nil && !t.heard:
		l.connect()
	}
}
