package sip

import (
	"errors"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/digest"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// errand is a request to a trunk that belongs to no dialog (REGISTER, OPTIONS):
// target after target, with credentials when asked. What comes back comes one at
// a time, so it needs no mutex.
type errand struct {
	s    *Server
	try  *digest.Try                        // nil without an account
	make func(transport.Path) *wire.Request // with a CSeq of its own
	seq  func() uint32                      // the next CSeq, for one that is challenged
	done func(*wire.Response, errandEnd)    // once
	left []resolve.Target                   // not tried yet
	at   resolve.Target
	path transport.Path
}

// errandEnd says how an errand ended: a response that is final, or an error.
type errandEnd struct {
	target resolve.Target
	path   transport.Path
	err    error // nobody answered; or beside the response, a challenge that cannot be answered
}

// errNoTarget is a trunk that leads nowhere.
var errNoTarget = errors.New("no place to send to")

// run tries the next target; why is what became of the last.
func (e *errand) run(why error) {
	if len(e.left) == 0 {
		e.done(nil, errandEnd{e.at, e.path, why})
		return
	}
	e.at, e.left = e.left[0], e.left[1:]
	e.s.goTo(e.at, func(p transport.Path, err error) {
		if err != nil {
			e.s.health.Failed(e.at, resolve.Unreachable, 0)
			e.run(err)
			return
		}
		e.path = p
		req := e.make(p)
		if e.try != nil {
			addCredentials(req, e.try.Before(string(req.Method), req.Recipient.String()))
		}
		e.send(req)
	})
}

func (e *errand) send(req *wire.Request) {
	kept := req.Clone()
	e.s.layer.Request(req, e.path, func(res *wire.Response, err error) { e.answered(kept, res, err) })
}

func (e *errand) answered(req *wire.Request, res *wire.Response, err error) {
	end := errandEnd{e.at, e.path, nil}
	switch {
	case err == nil && res.IsProvisional():
	case errors.Is(err, transaction.ErrTimeout):
		e.s.health.Failed(e.at, resolve.Timeout, 0)
		e.run(err)
	case err != nil:
		e.s.health.Failed(e.at, resolve.Unreachable, 0)
		e.run(err)
	case res.StatusCode == wire.StatusServiceUnavailable:
		e.s.health.Failed(e.at, resolve.Overloaded, retryAfter(res))
		if len(e.left) > 0 {
			e.run(nil)
			return
		}
		e.done(res, end)
	case isChallenge(res) && e.try != nil:
		e.s.health.OK(e.at)
		headers, err := answerTo(e.try, req, res)
		if err != nil {
			end.err = err
			e.done(res, end)
			return
		}
		e.send(repeated(req, e.seq(), headers))
	default:
		e.s.health.OK(e.at)
		e.done(res, end)
	}
}
