package sip

import (
	"fmt"
	"strconv"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/sip/transaction"
)

// Provisional responses that arrive (RFC 3262).
//
//	caller that asks for it:  us ── 183 RSeq 1 ──> again until PRACK RAck 1; then what waited
//	callee that sends one:    183 RSeq 1 ──> PRACK RAck 1, in the early dialog of that answer

// hundredRel is the option tag.
const hundredRel = "100rel"

// reliable is the state of one leg, either way. The leg's mutex guards it.
type reliable struct {
	supported, required bool   // by who called
	seq                 uint32 // RSeq of our latest
	again               okResend
	waits               bool               // our latest has no PRACK yet
	next                *wire.Response     // that is to be sent after it
	answer              *media.Description // that is to be given after it
	heard               map[string]uint32  // the latest RSeq of each branch that we called
}

// asked reads whether a caller wants provisional responses to arrive.
func (r *reliable) asked(req *wire.Request) {
	has := func(name, compact string) bool {
		for _, t := range tokens(req, name, compact) {
			if t == hundredRel {
				return true
			}
		}
		return false
	}
	r.required = has("Require", "")
	r.supported = r.required || has("Supported", "k")
}

// provision sends a provisional response, so that it arrives where the caller
// wants that of all, or takes it and there is a description in it. Called with mu
// held.
func (l *leg) provision(res *wire.Response) {
	r := &l.rel
	switch {
	case r.waits: // one at a time; what is overtaken is no news any more
		r.next = res
	case r.required, r.supported && len(res.Body()) > 0:
		l.sendReliably(res)
	default:
		l.inviteTx.Respond(res)
	}
}

func (l *leg) sendReliably(res *wire.Response) {
	r := &l.rel
	r.seq++
	r.waits = true
	res.AppendHeader(wire.NewHeader("Require", hundredRel))
	res.AppendHeader(wire.NewHeader("RSeq", strconv.FormatUint(uint64(r.seq), 10)))
	path, body := l.path, l.inviteTx.Respond(res)
	r.again.start(l.s.timers(), func() { _ = l.s.transport.Send(path, body) }, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.stage != early || l.invite == nil {
			return
		}
		cause := call.Timeout.Why("the caller never acknowledged a provisional response")
		cause.Code = 504
		l.refuse(cause)
		l.post(call.Ended{Leg: l, Cause: cause})
	})
}

// prack acknowledges one of our provisional responses.
func (l *leg) prack(tx *transaction.Server, req *wire.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.rel
	if l.uac || !r.waits || !l.acknowledges(req) {
		tx.Respond(l.s.reply(req, wire.StatusCallTransactionDoesNotExists, "No such response to acknowledge"))
		return
	}
	if len(req.Body()) > 0 { // a second offer before the answer
		tx.Respond(l.s.reply(req, wire.StatusNotAcceptableHere, "Not Acceptable Here"))
		return
	}
	r.waits = false
	r.again.stop()
	tx.Respond(l.s.reply(req, wire.StatusOK, "OK"))
	next, answer := r.next, r.answer
	r.next, r.answer = nil, nil
	switch {
	case l.stage != early || l.invite == nil:
	case answer != nil:
		l.give(*answer)
	case next != nil:
		l.provision(next)
	}
}

// acknowledges reports whether RAck is of our latest response.
func (l *leg) acknowledges(req *wire.Request) bool {
	f := strings.Fields(header(req, "RAck"))
	return len(f) == 3 && f[0] == strconv.FormatUint(uint64(l.rel.seq), 10) &&
		f[1] == strconv.FormatUint(uint64(l.inviteSeq), 10) && strings.EqualFold(f[2], "INVITE")
}

// arrived gives the number by which a provisional response of a party that we call
// wants to be acknowledged, 0 if it does not. It reports whether the response is
// news: not one again, nor one that
// overtook another (RFC 3262 4). Called with mu held.
func (l *leg) arrived(res *wire.Response, tag string) (rseq uint32, news bool) {
	seq, err := strconv.ParseUint(strings.TrimSpace(header(res, "RSeq")), 10, 32)
	asked := false
	for _, t := range tokens(res, "Require", "") {
		asked = asked || t == hundredRel
	}
	if err != nil || seq == 0 || !asked || tag == "" {
		return 0, true
	}
	r := &l.rel
	if r.heard == nil {
		r.heard = map[string]uint32{}
	}
	last, known := r.heard[tag]
	if known && uint32(seq) != last+1 || !known && len(r.heard) >= maxBranches {
		return 0, false
	}
	r.heard[tag] = uint32(seq)
	return uint32(seq), true
}

// maxBranches bounds the early dialogs of one call that are told apart: more
// phones than one party has.
const maxBranches = 32

// sendPRACK acknowledges within the early dialog of the response, which need not
// be the one that the leg keeps. answer is to the offer in it; nil: there is none.
func (l *leg) sendPRACK(res *wire.Response, seq uint32, answer []byte) {
	branch := &leg{s: l.s, uac: true, stage: up, link: l.link, trip: l.trip, credentials: l.credentials, party: l.party, key: l.key}
	l.localSeq++
	branch.dialog = l.dialog
	branch.routes = nil
	branch.fromResponse(res)
	req := branch.newRequest(wire.PRACK, l.localSeq)
	l.s.common(req)
	req.AppendHeader(wire.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", seq, res.CSeq().SeqNo)))
	described(req, answer)
	branch.send(req, func(*wire.Response, error) {}) // without it the party repeats itself
}
