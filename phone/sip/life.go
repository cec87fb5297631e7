package sip

import (
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
)

// unsaid watches a party that has no session timer: silence ends a call whose
// parties should speak, but on hold nobody needs to, and a phone that is gone would
// hold its ports for ever. Called with mu held.
func (t *sessionTimer) unsaid(l *leg) {
	t.stop()
	t.seconds = 0
	if interval := l.s.settings.Load().Session; interval > 0 {
		t.timer = time.AfterFunc(interval/2, l.askLife)
	}
}

// askLife asks a party within the dialog whether it is there (RFC 3261 11.2),
// which changes nothing. Only silence, or not to know the dialog, is an end of it.
func (l *leg) askLife() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != up || l.timer.seconds > 0 {
		return
	}
	req := l.newRequest(wire.OPTIONS, 0)
	l.s.common(req)
	req.AppendHeader(l.s.contact(l.path, l.localTag))
	req.SetBody(nil)
	l.send(req, func(res *wire.Response, err error) {
		if err == nil && res.IsProvisional() {
			return
		}
		if err != nil || res.StatusCode == 481 || res.StatusCode == 408 {
			l.fail(call.Timeout.Why("the party does not answer when it is asked whether it is there"))
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.stage == up && l.timer.seconds == 0 {
			l.timer.unsaid(l)
		}
	})
}
