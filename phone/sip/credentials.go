package sip

import (
	"errors"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/digest"
	"tincan/phone/sip/transaction"
)

// errNoAccount is a challenge by a trunk that we have no account of.
var errNoAccount = errors.New("the other side asks for a password, and the trunk has none: give it username and secret")

func isChallenge(res *wire.Response) bool {
	return res.StatusCode == wire.StatusUnauthorized || res.StatusCode == wire.StatusProxyAuthRequired
}

// answerTo gives the credentials for a request that was challenged.
func answerTo(try *digest.Try, req *wire.Request, res *wire.Response) ([]digest.Header, error) {
	if try == nil {
		return nil, errNoAccount
	}
	return try.Answer(string(req.Method), req.Recipient.String(), valuesOf(res, "WWW-Authenticate"), valuesOf(res, "Proxy-Authenticate"))
}

func valuesOf(m wire.Message, name string) (out []string) {
	for h := range named(m, name) {
		out = append(out, h.Value())
	}
	return out
}

func addCredentials(req *wire.Request, headers []digest.Header) {
	for _, h := range headers {
		req.AppendHeader(wire.NewHeader(h.Name, h.Value))
	}
}

// repeated makes the request again with another CSeq and other credentials (RFC
// 3261 22.2).
func repeated(req *wire.Request, seq uint32, headers []digest.Header) *wire.Request {
	again := req.Clone()
	again.CSeq().SeqNo = seq
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for again.RemoveHeader(name) {
			continue
		}
	}
	addCredentials(again, headers)
	return again
}

// proving gives who takes what comes back to a request within a trunk's dialog:
// if it is challenged it goes again with credentials. Called with mu held; req
// has no Via yet.
func (l *leg) proving(req *wire.Request, on transaction.Responses) transaction.Responses {
	if l.link == nil {
		return on
	}
	try := l.link.try()
	if try == nil {
		return on
	}
	headers := try.Before(string(req.Method), req.Recipient.String())
	addCredentials(req, headers)
	l.sentWith(req, headers)
	return l.proved(req.Clone(), try, on)
}

// sentWith keeps an INVITE's credentials for its ACK (RFC 3261 22.1). Called with
// mu held.
func (l *leg) sentWith(req *wire.Request, headers []digest.Header) {
	if req.Method == wire.INVITE {
		l.credentials = headers
	}
}

func (l *leg) proved(req *wire.Request, try *digest.Try, on transaction.Responses) transaction.Responses {
	return func(res *wire.Response, err error) {
		if err == nil && isChallenge(res) && l.prove(req, res, try, on) {
			return
		}
		on(res, err)
	}
}

// prove sends a challenged request again; false if it cannot.
func (l *leg) prove(req *wire.Request, res *wire.Response, try *digest.Try, on transaction.Responses) bool {
	headers, err := answerTo(try, req, res)
	if err != nil {
		l.s.cfg.Logger.Warn("a trunk does not take our password", "trunk", l.link.name, "method", req.Method, "error", err)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage == gone {
		return false
	}
	p, err := l.hop(l.s.transport)
	if err != nil || !p.Valid() {
		return false
	}
	l.localSeq++
	if req.Method == wire.INVITE && l.offerSeq == req.CSeq().SeqNo {
		l.offerSeq = l.localSeq
	}
	again := repeated(req, l.localSeq, headers)
	l.sentWith(again, headers)
	l.s.layer.Request(again, p, l.proved(again.Clone(), try, on))
	return true
}
