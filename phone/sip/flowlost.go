package sip

import (
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// A flow to a phone may be gone without a word: a router forgot it, or the phone is
// out of reach (RFC 5626 4.4, 5.3).
//
//	INVITE ──> the youngest flow, silent for 8 T1 (4 s) ──> the next one; the silent is doubted
//	next call ──> flows that are not doubted first
//	the kernel gives a connection up whose peer acknowledges nothing (transport.deadTime)
//	    ──> INVITEs on it that nothing came back to go on at once
//	    ──> requests within dialogs go by another flow of the same phone

// doubtTime is how long a silent flow is doubted: by then its connection has been
// given up, or it was slow only.
const doubtTime = time.Minute

// doubts are the flows that did not answer an INVITE, by party and registration.
// Safe for any goroutine.
type doubts struct {
	mu sync.Mutex // guards at
	at map[string]time.Time
}

// maxDoubts bounds them: more flows than are silent within doubtTime.
const maxDoubts = 4096

func (d *doubts) note(flow string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == nil || len(d.at) >= maxDoubts {
		d.at = map[string]time.Time{}
	}
	d.at[flow] = now
}

// about reports whether a flow is doubted: it has not registered since.
func (d *doubts) about(b *directory.Binding, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.at[flowName("extension:"+b.Extension, b.Key())]
	return ok && at.After(b.Updated) && now.Sub(at) < doubtTime
}

func flowName(party, key string) string { return party + " " + key }

// hastened takes what comes back to an INVITE by one of a device's flows: if that is
// nothing, the INVITE goes on by the next. Called with mu held.
func (l *leg) hastened(p transport.Path, on transaction.Responses) transaction.Responses {
	if l.another == nil {
		return on
	}
	flow, heard, given := flowName(l.party, l.key), false, false
	timer := time.AfterFunc(slowness*l.s.timers().T1, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if heard || l.stage != early {
			return
		}
		given = true
		if l.client != nil {
			l.client.Cancel(reasonFor(call.Elsewhere)) // it rings by another flow: no missed call
		}
		l.s.doubts.note(flow, time.Now())
		l.goesOn()
	})
	return func(res *wire.Response, err error) {
		l.mu.Lock()
		heard = true
		timer.Stop()
		late := given
		l.mu.Unlock()
		if late {
			l.tooLate(res, err, p)
			return
		}
		on(res, err)
	}
}

// connectionLost goes on with what waits for a first answer over a connection that
// has ended.
func (s *Server) connectionLost(p transport.Path) {
	s.mu.Lock()
	var waiting []*leg
	for _, l := range s.legs {
		if l.uac {
			waiting = append(waiting, l)
		}
	}
	s.mu.Unlock()
	for _, l := range waiting {
		l.mu.Lock()
		client := l.client
		on := l.stage == early && l.path.ID() == p.ID()
		l.mu.Unlock()
		if on && client != nil {
			client.Lost(errNoFlow)
		}
	}
}

// doubtful reports whether a device is better called by another of its flows. By one
// whose connection is gone it may still be reached, if it takes one from us.
func (s *Server) doubtful(b *directory.Binding, now time.Time) bool {
	return s.doubts.about(b, now) || s.Lost(b)
}

// Lost reports whether the way to a device is gone: its connection ended, and it
// has not made another yet.
func (s *Server) Lost(b *directory.Binding) bool {
	if b.IAX2() || !transport.Protocol(b.Transport).Reliable() {
		return false
	}
	_, stands := s.standing(b)
	return !stands
}

// anyFlow finds a way to a device within a dialog: by its own flow, or by another of
// the same device while that is gone.
func (s *Server) anyFlow(own directory.Binding, done func(transport.Path, error)) {
	if own.RegID > 0 && s.Lost(&own) {
		for _, b := range s.cfg.Bindings.SIP(own.Extension) {
			if p, ok := s.standing(&b); ok && b.Instance == own.Instance {
				done(p, nil)
				return
			}
		}
	}
	s.flow(&own, done)
}
