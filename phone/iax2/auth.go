package iax2

import (
	"tincan/phone/call"
	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
)

// methods are what everybody is asked by, whether there is such a user or not.
const methods = frame.AuthMD5 | frame.AuthRSA

// proofIn is a question to a peer, and what its answer must be.
type proofIn struct{ challenge []byte }

// begin asks who calls.
func (p *proofIn) begin(c *incoming, x *session) {
	p.challenge = proof.NewChallenge()
	e := &frame.Elements{AuthMethods: methods, Challenge: p.challenge, Username: c.set.Username}
	with := c.set.Encryption & ours
	if c.account.encryption == "off" || with&frame.AES128 == 0 {
		with = 0
	}
	e.Encryption = with
	x.plainly(frame.AuthReq, e)
	if with != 0 {
		x.encrypt(p.challenge, c.account.password, with)
	}
}

// right tells whether an answer proves an account.
func (p *proofIn) right(a *account, e *frame.Elements) bool {
	if p.challenge == nil {
		return false
	}
	if e.RSAResult != "" && a.key != nil {
		return proof.Signed(a.key, p.challenge, e.RSAResult)
	}
	return a.password != "" && proof.Answered(p.challenge, a.password, e.MD5Result)
}

// answer answers a peer's question as an account; false if it cannot.
func (s *Server) answerTo(a *account, q *frame.Elements) (*frame.Elements, bool) {
	if q.AuthMethods&frame.AuthRSA != 0 && a.key != nil && s.cfg.Key != nil {
		if text, err := s.sign(q.Challenge); err == nil {
			return &frame.Elements{RSAResult: text}, true
		} else {
			s.log.Error("iax2: our RSA key cannot be used", "error", err)
		}
	}
	if q.AuthMethods&frame.AuthMD5 != 0 && a.password != "" && len(q.Challenge) > 0 {
		return &frame.Elements{MD5Result: proof.Answer(q.Challenge, a.password)}, true
	}
	return nil, false
}

// prove answers the question of who we are, in a call of ours.
func (l *leg) prove(q *frame.Elements) {
	x := l.x
	if l.calledIn || l.accepted || x.keys != nil {
		return
	}
	answer, ok := x.s.answerTo(&l.account, q)
	if !ok {
		l.over(call.Rejected.Why("the other side asks for a proof that is not in the settings: write its username and secret"))
		return
	}
	with := q.Encryption & ours
	switch {
	case l.account.encryption == "off" || l.account.password == "" || with&frame.AES128 == 0:
		with = 0
	}
	if with == 0 && l.account.encryption == "required" {
		l.over(call.Unencrypted.Why("the other side does not encrypt its calls"))
		return
	}
	if with != 0 {
		answer.Encryption = with
		x.encrypt(q.Challenge, l.account.password, with)
	}
	x.command(frame.AuthRep, answer)
}

// token says NEW again with the token that the peer gave.
func (l *leg) token(e *frame.Elements) {
	if l.tokens++; l.offered == nil || !e.CallToken.Present || l.tokens > mostTokens {
		return
	}
	l.offered.CallToken = frame.Some(append([]byte(nil), e.CallToken.Value...))
	l.x.afresh()
	l.x.command(frame.New, l.offered)
}

// afresh begins the session again from its first frame.
func (x *session) afresh() {
	x.oseq, x.iseq, x.told = 0, 0, 0
	x.waiting = x.waiting[:0]
}

// sign proves by our RSA key who we are.
func (s *Server) sign(challenge []byte) (string, error) {
	key, err := s.cfg.Key()
	if err != nil {
		return "", err
	}
	return proof.Sign(key, challenge)
}
