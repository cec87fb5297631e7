package sip_test

import (
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// Request takes what the server asks (transaction.User).
func (l *line) Request(tx *transaction.Server, req *wire.Request, _ transport.Path) {
	d := l.p.find(req)
	switch {
	case tx == nil: // an ACK
		if d != nil {
			d.ackOnce.Do(func() { close(d.acked) })
		}
	case req.Method == wire.INVITE && siptest.Tag(req) == "":
		l.ring(tx, req)
	case req.Method == wire.OPTIONS:
		tx.Respond(l.reply(req, 200, nil))
	case d == nil && req.Method != wire.NOTIFY:
		tx.Respond(l.reply(req, 481, nil))
	case req.Method == wire.BYE:
		d.end()
		tx.Respond(l.reply(req, 200, d))
	default:
		tx.Respond(l.reply(req, 200, d))
	}
}

// Cancelled ends what rings (transaction.User).
func (l *line) Cancelled(tx *transaction.Server, _ *wire.Request) {
	l.p.mu.Lock()
	d := l.p.talk
	mine := d != nil && d.invite == tx
	l.p.mu.Unlock()
	if mine {
		d.end()
		tx.Respond(l.reply(d.asked, 487, d))
		l.p.leave(d)
	}
}

// Stray takes nothing (transaction.User).
func (*line) Stray(*wire.Response, transport.Path) {}

// find gives the call that a request belongs to.
func (p *handset) find(req *wire.Request) *dialog {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.talk != nil && p.talk.id == string(*req.CallID()) {
		return p.talk
	}
	return nil
}

// enter begins a call, unless it is in one.
func (p *handset) enter(d *dialog) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.talk != nil || p.line == nil {
		return false
	}
	p.talk = d
	return true
}

func (p *handset) leave(d *dialog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.talk == d {
		p.talk = nil
	}
}

// reply makes a response, with a description where the request had one.
func (l *line) reply(req *wire.Request, code int, d *dialog) *wire.Response {
	res := transaction.Reply(req, code, "So")
	res.AppendHeader(wire.NewHeader("Contact", "<sip:"+l.p.number+"@"+l.way().Local.String()+">"))
	if d != nil && siptest.Tag(req) == "" {
		transaction.SetTag(res, d.local)
	}
	if l.p.nth%3 != 0 {
		res.AppendHeader(wire.NewHeader("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, UPDATE"))
	}
	if code == 200 && d != nil && (req.Method == wire.INVITE || len(req.Body()) > 0) {
		res.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		res.SetBody([]byte(l.description()))
	}
	return res
}

func (l *line) description() string {
	where := "IN IP4 " + l.way().Local.Addr().String()
	return "v=0\r\no=- 1 1 " + where + "\r\ns=-\r\nc=" + where + "\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n"
}

// ring takes a call: some are busy, some never answer.
func (l *line) ring(tx *transaction.Server, req *wire.Request) {
	from, _ := req.From().Params.Get("tag")
	d := newDialog(req.From().Address.User)
	d.id, d.remote, d.target, d.invite, d.asked = string(*req.CallID()), from, siptest.Target(req), tx, req
	mood := l.p.dice.roll(10)
	if mood == 0 || !l.p.enter(d) {
		tx.Respond(l.reply(req, 486, d))
		return
	}
	tx.Respond(l.reply(req, 180, d))
	if mood < 3 { // until the caller has enough, or the server, which may be off just then
		time.AfterFunc(soakPatience, func() {
			if tx.Respond(l.reply(req, 480, d)) != nil {
				d.end()
				l.p.leave(d)
			}
		})
		return
	}
	time.AfterFunc(l.p.dice.between(time.Second, 15*time.Second), func() { l.answer(d) })
}

// answer sends a 200 until an ACK comes (RFC 3261 13.3.1.4).
func (l *line) answer(d *dialog) {
	select {
	case <-d.over:
		return
	default:
	}
	b := d.invite.Respond(l.reply(d.asked, 200, d))
	if b == nil {
		return // it was cancelled
	}
	l.again(d, b, 500*time.Millisecond, 32*time.Second)
	l.p.deeds.did(answered)
	select {
	case l.p.ready <- d:
	case <-d.over:
	}
}

func (l *line) again(d *dialog, b []byte, wait, left time.Duration) {
	time.AfterFunc(wait, func() {
		select {
		case <-d.acked:
		case <-d.over:
		default:
			if left > 0 {
				_ = l.tr.Send(d.invite.Path(), b)
				l.again(d, b, min(2*wait, 4*time.Second), left-wait)
			}
		}
	})
}

// call calls a number and, when somebody answers, talks.
func (p *handset) call(number string) {
	d := newDialog(number)
	d.caller = true
	if !p.enter(d) {
		return
	}
	p.deeds.did(called)
	l, patience := p.line, time.After(p.dice.between(10*time.Second, 90*time.Second))
	try, credentials := p.digest.Try(), []string(nil)
	for {
		d.seq++
		res := l.invite(d, patience, credentials)
		more, again := l.credentials(try, "INVITE", "sip:"+number+"@tincan", res)
		if !again {
			p.outcome(d, res)
			return
		}
		credentials = more
	}
}

// outcome is what becomes of a call.
func (p *handset) outcome(d *dialog, res *wire.Response) {
	switch {
	case res != nil && res.StatusCode == 200:
		p.hold(d)
		return
	case res != nil && res.StatusCode == 486:
		p.deeds.did(wasBusy)
	case res != nil && res.StatusCode == 487:
		p.deeds.did(gaveUp)
	case res != nil && (res.StatusCode == 408 || res.StatusCode == 480):
		p.deeds.did(rangOut)
	}
	p.leave(d)
}

// invite sends an INVITE and gives its final response; when patience ends it is
// cancelled. Each 2xx gets its ACK.
func (l *line) invite(d *dialog, patience <-chan time.Time, extra []string) *wire.Response {
	final := make(chan *wire.Response, 1)
	tx := l.layer.Request(l.write("INVITE", d, l.description(), extra...), l.way(), func(res *wire.Response, _ error) {
		if res != nil && res.StatusCode < 200 {
			return
		}
		if res != nil && res.StatusCode < 300 {
			l.ack(d, res)
		}
		select {
		case final <- res:
		default: // a 2xx again
		}
	})
	select {
	case res := <-final:
		return l.accepted(d, res)
	case <-patience:
		tx.Cancel("")
		return l.accepted(d, <-final)
	}
}

// accepted notes what a 2xx says of the dialog.
func (l *line) accepted(d *dialog, res *wire.Response) *wire.Response {
	if res != nil && res.StatusCode == 200 {
		d.remote, d.target = siptest.Tag(res), siptest.Target(res)
	}
	return res
}

func (l *line) ack(d *dialog, res *wire.Response) {
	of := &dialog{id: d.id, local: d.local, remote: siptest.Tag(res), number: d.number, target: siptest.Target(res), seq: res.CSeq().SeqNo}
	req := l.write("ACK", of, "")
	req.PrependHeader(transaction.Via(l.way(), transaction.Branch()))
	_ = l.tr.Send(l.way(), []byte(req.String()))
}

// hold is a call that stands, until one of them has enough or something happens.
func (p *handset) hold(d *dialog) {
	defer p.leave(d)
	half := p.dice.between(5*time.Second, 8*time.Minute)
	if p.wait(d, half) {
		return
	}
	switch p.dice.roll(12) {
	case 0, 1:
		p.move()
	case 2:
		p.off()
		p.deeds.did(rebooted)
		time.Sleep(p.dice.between(10*time.Second, time.Minute))
		return
	case 3:
		p.off()
		p.deeds.did(dropped)
		time.Sleep(p.dice.between(10*time.Minute, 2*soakLease))
		return
	case 4, 5:
		if p.transfer(d) {
			return
		}
	}
	if p.wait(d, half) {
		return
	}
	if d.caller {
		p.deeds.did(callerHungUp)
	} else {
		p.deeds.did(calleeHungUp)
	}
	if res := p.line.ask("BYE", d); res == nil || res.StatusCode != 200 {
		p.deeds.did(unheard)
	}
}

// transfer sends the other side to somebody else, and tells whether it is gone; if
// that one does not answer it stays.
func (p *handset) transfer(d *dialog) (gone bool) {
	to := soakNumber((p.nth + 1 + p.dice.roll(soakPhones-1)) % soakPhones)
	if res := p.line.ask("REFER", d, "Refer-To: <sip:"+to+"@tincan>"); res == nil || res.StatusCode != 202 {
		return false
	}
	if !p.wait(d, soakPatience) {
		return false
	}
	p.deeds.did(transferred)
	return true
}

// wait waits, and tells whether the other side hung up.
func (p *handset) wait(d *dialog, long time.Duration) (over bool) {
	enough := time.After(long)
	for {
		select {
		case <-d.over:
			return true
		case l := <-p.cut:
			p.restored(l)
		case <-enough:
			return false
		}
	}
}
