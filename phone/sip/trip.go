package sip

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/sip/digest"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// trip is the way of a leg out by a trunk: the places that are left to try and
// what the trunk must be told. The leg's mutex guards it.
//
//	targets ─> INVITE ─┬─ no answer, no connection, 503 ─> the next target (RFC 3263 4.3)
//	                   ├─ 401, 407 ─> the same with credentials (RFC 3261 22)
//	                   └─ anything else ─> the leg
type trip struct {
	trunk   *directory.Trunk
	try     *digest.Try // nil without an account
	offer   media.Description
	set     call.Setup
	routes  []string      // before a dialog has its own
	headers []wire.Header // who calls
	called  string        // for P-Called-Party-ID

	target  resolve.Target
	left    []resolve.Target // not tried yet
	attempt int              // counts INVITEs: what comes back to an older one is late
	hurry   *time.Timer
}

// slowness is how many T1 a target may stay silent while there are others: 4 s,
// after three retransmissions. Timer B alone (32 s) is longer than people wait.
const slowness = 8

// depart begins the trip once the targets are known.
func (l *leg) depart(targets []resolve.Target, err error) {
	if err != nil {
		l.ring(transport.Path{}, err, l.trip.offer, l.trip.set)
		return
	}
	l.mu.Lock()
	l.trip.left = targets
	l.mu.Unlock()
	l.onward(nil)
}

// onward goes to the next target; why is what became of the last one. Called
// without mu.
func (l *leg) onward(why error) {
	l.mu.Lock()
	t := l.trip
	if len(t.left) == 0 {
		l.mu.Unlock()
		l.ring(transport.Path{}, why, t.offer, t.set)
		return
	}
	t.target, t.left = t.left[0], t.left[1:]
	target := t.target
	l.mu.Unlock()
	l.s.goTo(target, func(p transport.Path, err error) {
		if err != nil {
			l.s.health.Failed(target, resolve.Unreachable, 0)
			l.onward(err)
			return
		}
		l.mu.Lock()
		if l.path.Valid() && l.path.Local.Addr() != p.Local.Addr() { // media must leave from the new address
			l.closeLines()
		}
		l.remoteTag, l.routes, l.theirs = "", t.routes, media.Description{} // what another place said
		l.mu.Unlock()
		l.ring(p, nil, t.offer, t.set)
	})
}

// adorn adds what a trunk's INVITE has beside other INVITEs, and gives who takes
// what comes back. Called with mu held.
func (l *leg) adorn(req *wire.Request, p transport.Path, on transaction.Responses) transaction.Responses {
	t := l.trip
	if t == nil {
		return on
	}
	for _, h := range t.headers {
		req.AppendHeader(h)
	}
	if t.called != "" {
		u := wire.Uri{Scheme: "sip", User: escape(t.called), Host: l.remote.Host}
		req.AppendHeader(wire.NewHeader("P-Called-Party-ID", "<"+u.String()+">"))
	}
	l.credentials = nil
	if t.try == nil {
		return l.returning(nil, p, on)
	}
	l.credentials = t.try.Before(string(req.Method), req.Recipient.String())
	addCredentials(req, l.credentials)
	return l.returning(req.Clone(), p, on)
}

// returning takes what comes back to one INVITE; req is what to send again with
// credentials, nil where there is no account. Called with mu held.
func (l *leg) returning(req *wire.Request, p transport.Path, on transaction.Responses) transaction.Responses {
	t := l.trip
	t.attempt++
	attempt, target := t.attempt, t.target
	l.hasten(attempt)
	return func(res *wire.Response, err error) {
		l.mu.Lock()
		if t.hurry != nil {
			t.hurry.Stop()
		}
		late, early := t.attempt != attempt, l.stage == early
		l.mu.Unlock()
		switch {
		case late:
			l.tooLate(res, err, p)
		case early && l.elsewhere(attempt, target, res, err):
		case early && err == nil && l.challenged(req, res, p, on):
		default:
			on(res, err)
		}
	}
}

// hasten goes on to the next target if this one stays silent.
func (l *leg) hasten(attempt int) {
	t := l.trip
	if len(t.left) == 0 || !t.target.Addr.IsValid() {
		return
	}
	t.hurry = time.AfterFunc(slowness*l.s.timers().T1, func() {
		l.mu.Lock()
		if t.attempt != attempt || l.stage != early {
			l.mu.Unlock()
			return
		}
		t.attempt++ // from now on what comes back is late
		silent, target := l.client, t.target
		l.client = nil
		l.mu.Unlock()
		if silent != nil {
			silent.Cancel("")
		}
		l.s.health.Failed(target, resolve.Timeout, 0)
		l.onward(transaction.ErrTimeout)
	})
}

// tooLate sees to an answer of a target that was given up.
func (l *leg) tooLate(res *wire.Response, err error, p transport.Path) {
	if err != nil || !res.IsSuccess() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letGo(res, p)
}

// elsewhere reports whether the INVITE goes on to another target, or has already.
func (l *leg) elsewhere(attempt int, target resolve.Target, res *wire.Response, err error) bool {
	if !target.Addr.IsValid() { // where it registered: there is no other
		return false
	}
	switch {
	case errors.Is(err, transaction.ErrTimeout):
		l.s.health.Failed(target, resolve.Timeout, 0)
	case err != nil:
		l.s.health.Failed(target, resolve.Unreachable, 0)
	case res.StatusCode == wire.StatusServiceUnavailable:
		l.s.health.Failed(target, resolve.Overloaded, retryAfter(res))
		err = call.Cause{Kind: call.Failed.Kind, Code: 503, Text: causeOf(res).Text}
	default:
		l.s.health.OK(target)
		return false
	}
	t := l.trip
	l.mu.Lock()
	moved, more := t.attempt != attempt, len(t.left) > 0
	if !moved && more {
		t.attempt++
		l.client = nil
	}
	l.mu.Unlock()
	if !moved && more {
		l.onward(err)
	}
	return moved || more
}

// challenged sends the INVITE again with credentials. It reports false if what
// came back is no challenge.
func (l *leg) challenged(req *wire.Request, res *wire.Response, p transport.Path, on transaction.Responses) bool {
	if !isChallenge(res) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != early {
		return false
	}
	headers, err := answerTo(l.trip.try, req, res)
	if err != nil {
		l.stage, l.client = gone, nil
		l.post(call.Ended{Leg: l, Cause: call.Cause{Kind: call.Failed.Kind, Code: 503, Text: fmt.Sprintf("trunk %s: %v", l.link.name, err)}})
		go l.s.dropLeg(l)
		return true
	}
	l.localSeq++
	l.inviteSeq = l.localSeq
	l.remoteTag, l.routes = "", l.trip.routes
	l.credentials = headers
	again := repeated(req, l.inviteSeq, headers)
	l.client = l.s.layer.Request(again, p, l.returning(again.Clone(), p, on))
	return true
}

// retryAfter reads RFC 3261 20.33; 0 if it says nothing.
func retryAfter(res *wire.Response) time.Duration {
	v, _, _ := strings.Cut(header(res, "Retry-After"), ";")
	v, _, _ = strings.Cut(v, "(")
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
