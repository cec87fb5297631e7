package sip

import (
	"cmp"
	"slices"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/codec"
	"tincan/phone/media"
	"tincan/phone/media/sdp"
)

// A party may want to make the offer itself when it is called (offer = "late"): then
// our INVITE has no description (RFC 3261 13.2.1).
//
//	INVITE ──> party
//	  <── 183, reliable, its offer ──> PRACK, our answer (RFC 3262 5): early sound
//	  <── 200, its offer if that did not come yet ──> ACK, our answer
//
// What is answered is one codec that the caller has too; where there is none, one
// that is made here. An offer in a response that may be lost is no offer yet.

// awaited is what a leg knows of a party whose offer it waits for. The leg's mutex
// guards it.
type awaited struct {
	codecs []string          // that the party may use; none: all
	offer  media.Description // what it would be offered, of the caller's
	of     string            // the tag of the branch whose offer was answered, or is being
	due    bool              // the answer waits for our candidates
	answer []byte            // in the ACK; nil if it went in a PRACK
}

// awaits makes the leg one that waits for the party's offer, if it is to be called so.
func (l *leg) awaits(codecs []string) {
	if l.s.cfg.Directory.Snapshot().OffersLate(l.party) {
		l.awaited = &awaited{codecs: codecs}
	}
}

// begins makes ready for an INVITE with what would be offered. Called with mu held.
func (a *awaited) begins(offer media.Description) {
	*a = awaited{codecs: a.codecs, offer: offer}
}

// proposes writes the offer d into an INVITE, unless the party is to make it. Called
// with mu held.
func (l *leg) proposes(req *wire.Request, d media.Description) {
	if l.awaited != nil {
		req.SetBody(nil)
		return
	}
	withSDP(req, l.offer(d))
}

// earlyOffer takes a provisional response; seq is its RSeq, 0 if it need not be
// acknowledged. Of phones behind the party that offer so the first alone is
// answered: the others' offers wait for their 200.
func (l *leg) earlyOffer(res *wire.Response, tag string, seq uint32) {
	d, ok, err := offerIn(res)
	switch {
	case seq == 0:
	case err == nil && ok && isSDP(res):
		if l.awaited.of == "" {
			l.awaited.of = tag
			l.counter(d, func(answer []byte, cause *call.Cause) { l.earlyCounter(res, seq, answer, cause) })
		}
		return
	default:
		l.sendPRACK(res, seq, nil)
	}
	l.post(call.Ringing{Leg: l, Code: res.StatusCode})
}

// earlyCounter sends our answer to an early offer, and tells of what there is to
// hear.
func (l *leg) earlyCounter(res *wire.Response, seq uint32, answer []byte, cause *call.Cause) {
	l.sendPRACK(res, seq, answer)
	switch {
	case l.stage != early:
	case cause != nil: // its INVITE ends as if nobody waited any more
		l.stage = leaving
		l.unseat()
		l.client.Cancel(reasonFor(*cause))
		l.post(call.Ended{Leg: l, Cause: *cause})
	default:
		l.configure()
		heard := media.Within(l.ours, l.theirs)
		l.post(call.Ringing{Leg: l, Code: res.StatusCode, Early: &heard, Offered: true})
	}
}

// lateOfferIn takes the answer of a party whose offer is in it, or was answered.
// Called with mu held.
func (l *leg) lateOfferIn(res *wire.Response, seq uint32) {
	a, tag := l.awaited, l.remoteTag
	if a.of == tag {
		l.sendACK(seq)
		l.stands(res, nil)
		return
	}
	d, ok, err := offerIn(res)
	if err != nil || !ok {
		l.sendACK(seq)
		why := call.Failed.Why("the party was to make the offer, and its answer has no session description")
		if err != nil {
			why.Text = err.Error()
		}
		l.stands(res, &why)
		return
	}
	l.closeLines() // of another branch
	a.of, a.due = tag, true
	l.counter(d, func(answer []byte, cause *call.Cause) {
		a.answer, a.due = answer, false
		l.sendACK(seq)
		if l.stage == up { // else it was hung up meanwhile
			l.stands(res, cause)
		}
	})
}

// counter answers the party's offer. done gets the answer once our candidates are
// known, and why the call cannot go on if it cannot; it is called with mu held.
// Called with mu held.
func (l *leg) counter(d media.Description, done func(answer []byte, cause *call.Cause)) {
	l.shields = nil
	d, cause := l.hear(d)
	l.theirs = d
	var answer media.Description
	if cause == nil {
		answer, cause = l.awaited.choose(d)
	}
	if cause == nil && l.open(answer, l.path) != nil {
		cause = &call.NoPorts
	}
	if cause != nil {
		answer = refusing(d)
	}
	l.heedICE(d)
	l.gathered(func() { done(l.describe(answer), cause) })
}

// choose makes the answer to the party's offer: the caller's codec that the party
// likes best, else one that is made of the caller's.
func (a *awaited) choose(d media.Description) (media.Description, *call.Cause) {
	answer, err := a.answerTo(d, a.offer)
	if err != nil {
		if wide, ok := media.Widened(a.offer, nil); ok {
			if wide, werr := media.OfferFrom(wide, nil, a.codecs); werr == nil {
				answer, err = a.answerTo(d, wide)
			}
		}
	}
	if err != nil {
		// Not call.NotAcceptable's kind: it would be called again with what is made here.
		return answer, &call.Cause{Kind: call.Failed.Kind, Code: call.NotAcceptable.Code, Text: err.Error()}
	}
	return answer, nil
}

// answerTo answers with one codec: the first in the order that the extension's or
// trunk's list gives, else in the party's own.
func (a *awaited) answerTo(d, offer media.Description) (media.Description, error) {
	answer, err := media.AnswerFrom(d, media.Arranged(offer, d))
	for i := range answer.Streams {
		st := &answer.Streams[i]
		voice := st.Voice()
		if st.Kind != media.Audio || len(voice) == 0 || st.Refused() {
			continue
		}
		best := voice[0]
		if len(a.codecs) == 0 {
			place := func(f codec.Format) int { return slices.IndexFunc(d.Streams[i].Formats, f.Same) }
			best = slices.MinFunc(voice, func(x, y codec.Format) int { return cmp.Compare(place(x), place(y)) })
		}
		st.Formats = slices.DeleteFunc(st.Formats, func(f codec.Format) bool { return !media.Auxiliary(f) && f.PT != best.PT })
	}
	return answer, err
}

// refusing is an answer that takes none of an offer's lines.
func refusing(offer media.Description) media.Description {
	answer, _ := media.AnswerFrom(offer, media.Description{}) // fails for lines that it takes alone
	return answer
}

// declines makes the ACK of an answer that is not wanted refuse the offer in it.
// Called with mu held.
func (l *leg) declines(res *wire.Response) {
	if l.awaited == nil || l.awaited.of != "" {
		return
	}
	if d, ok, err := offerIn(res); ok && err == nil {
		l.awaited.answer = sdp.Write(refusing(d), l.origin)
	}
}

// acknowledging is what the ACK to a 2xx has to say; ready is false if that is not
// known yet.
func (l *leg) acknowledging(seq uint32) (body []byte, ready bool) {
	if l.awaited == nil || seq != l.inviteSeq {
		return nil, true
	}
	return l.awaited.answer, !l.awaited.due
}
