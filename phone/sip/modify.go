package sip

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/sip/transaction"
)

// reinvite is a party changing or refreshing its media.
func (l *leg) reinvite(tx *transaction.Server, req *wire.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.offering || l.stage == early && l.uac:
		tx.Respond(l.s.reply(req, wire.StatusRequestPending, "Request Pending")) // glare, RFC 3261 14.2
		return
	case l.invite != nil || l.stage < up:
		res := l.s.reply(req, wire.StatusInternalServerError, "An offer is being answered")
		res.AppendHeader(wire.NewHeader("Retry-After", itoa(1+rand.IntN(9))))
		tx.Respond(res)
		return
	case l.stage >= leaving:
		tx.Respond(l.s.reply(req, wire.StatusCallTransactionDoesNotExists, "The call is over"))
		return
	}
	if len(req.Body()) == 0 {
		l.offerInAnswer(tx, req)
		return
	}
	l.renew(tx, req)
}

// offerInAnswer answers a re-INVITE without offer with what stands; the ACK
// brings the answer.
func (l *leg) offerInAnswer(tx *transaction.Server, req *wire.Request) {
	tx.SetTag(l.localTag)
	l.retarget(req)
	res := l.dialogReply(req, wire.StatusOK)
	l.timer.refreshed(l, req, res)
	d := media.Description{Streams: slices.Clone(l.ours.Streams)}
	for i := range d.Streams { // all that we can, whoever holds now (RFC 3264 8.4)
		d.Streams[i].Direction = media.SendRecv
	}
	withSDP(res, l.offer(d))
	l.inviteTx, l.inviteSeq, l.noOffer = tx, req.CSeq().SeqNo, true
	l.accept(res)
}

// renew takes the offer in a re-INVITE or UPDATE to the call.
func (l *leg) renew(tx *transaction.Server, req *wire.Request) {
	d, bad := l.s.offered(req)
	if bad != nil {
		tx.Respond(bad)
		return
	}
	d, shields, why := takenOffer(d, l.policy, l.shields, !concealed(l.path.Protocol))
	tx.SetTag(l.localTag)
	if why != "" {
		tx.Respond(l.unwanted(req, call.Unencrypted.Why(why)))
		return
	}
	l.retarget(req)
	l.invite, l.inviteTx = req, tx
	if req.Method == wire.INVITE {
		tx.Trying(l.s.trying(req))
	}
	l.theirsNext, l.shieldsNext = d, shields
	l.heedICE(d)
	l.gathered(func() { l.post(call.Offered{Leg: l, Offer: d}) })
}

// Reply answers the party's wish (call.Leg).
func (l *leg) Reply(answer media.Description, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	req := l.invite
	if req == nil || l.stage != up {
		return
	}
	if err != nil {
		l.inviteTx.Respond(l.unwanted(req, err))
		l.invite, l.inviteTx = nil, nil
		return
	}
	res := l.dialogReply(req, wire.StatusOK)
	l.timer.refreshed(l, req, res)
	withSDP(res, l.settled(answer)) // as Renew has it already
	if req.Method == wire.INVITE {
		l.inviteSeq = req.CSeq().SeqNo
		l.accept(res)
		return
	}
	l.inviteTx.Respond(res)
	l.invite, l.inviteTx = nil, nil
}

// unwanted refuses an offer within the dialog: for now, or for what it has.
func (l *leg) unwanted(req *wire.Request, err error) *wire.Response {
	var cause call.Cause
	if errors.As(err, &cause) && cause.Code == wire.StatusRequestPending {
		return l.s.reply(req, wire.StatusRequestPending, "Request Pending")
	}
	res := l.s.reply(req, wire.StatusNotAcceptableHere, "Not Acceptable Here")
	res.AppendHeader(wire.NewHeader("Warning", "305 "+l.s.domain(l.path)+" \""+quoted(err.Error())+"\""))
	return res
}

// update is RFC 3311: an offer, or only a sign of life (RFC 4028).
func (l *leg) update(tx *transaction.Server, req *wire.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stage >= leaving:
		tx.Respond(l.s.reply(req, wire.StatusCallTransactionDoesNotExists, "The call is over"))
	case len(req.Body()) == 0:
		l.retarget(req)
		res := l.dialogReply(req, wire.StatusOK)
		l.timer.refreshed(l, req, res)
		tx.Respond(res)
	case l.offering || l.stage == early && l.uac: // RFC 3311 5.2
		tx.Respond(l.s.reply(req, wire.StatusRequestPending, "Request Pending"))
	case l.stage != up || l.invite != nil:
		res := l.s.reply(req, wire.StatusInternalServerError, "An offer is being answered")
		res.AppendHeader(wire.NewHeader("Retry-After", "2"))
		tx.Respond(res)
	default:
		l.renew(tx, req)
	}
}

// Offer asks the party for other media (call.Leg).
func (l *leg) Offer(d media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reoffer(d, func(res *wire.Response, err error) {
		if err != nil {
			l.post(call.OfferRefused{Leg: l, Err: err})
			return
		}
		l.post(call.Reanswered{Leg: l, Answer: media.Within(l.ours, l.theirs)})
	})
}

// reoffer sends a re-INVITE; done is called with mu held. Called with mu held.
func (l *leg) reoffer(d media.Description, done func(*wire.Response, error)) {
	if l.stage == answered || l.offering || l.invite != nil { // wait for the ACK, or for the other offer
		l.again(d, done, 200*time.Millisecond)
		return
	}
	if l.stage != up {
		return
	}
	if slices.ContainsFunc(d.Streams, func(st media.Stream) bool { return !st.Refused() && barsFax(&st, l.policy) }) {
		done(nil, errors.New(faxInTheClear))
		return
	}
	l.offering = true
	if err := l.open(d, l.path); err != nil {
		l.offering = false
		done(nil, err)
		return
	}
	l.proposeICE(d)
	req := l.newRequest(wire.INVITE, 0)
	seq := l.localSeq
	l.offerSeq = seq
	l.s.common(req)
	req.AppendHeader(l.s.contact(l.path, l.localTag))
	req.AppendHeader(wire.NewHeader("Allow", allow))
	l.timer.keep(req)
	withSDP(req, l.offer(d))
	l.send(req, func(res *wire.Response, err error) { l.reoffered(res, err, seq, d, done) })
}

func (l *leg) again(d media.Description, done func(*wire.Response, error), wait time.Duration) {
	l.retry = time.AfterFunc(wait, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reoffer(d, done)
	})
}

func (l *leg) reoffered(res *wire.Response, err error, seq uint32, d media.Description, done func(*wire.Response, error)) {
	if err == nil && res.IsProvisional() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if res != nil {
		seq = res.CSeq().SeqNo // another than ours was, if it had to be sent again with credentials
	}
	first := l.offering && l.offerSeq == seq // else an older 2xx once more
	if first {
		l.offering = false
	}
	switch {
	case l.stage >= leaving && (err != nil || !res.IsSuccess()):
	case err != nil:
		done(nil, err)
	case res.IsSuccess():
		l.retarget(res)
		l.sendACK(seq)
		if !first {
			return // the 2xx once more
		}
		if body, ok, perr := offerIn(res); ok && perr == nil {
			if cause := l.takeAnswer(body); cause != nil {
				go l.fail(*cause)
				return
			}
			l.configure()
		}
		l.timer.agreed(l, res)
		done(res, nil)
	case res.StatusCode == wire.StatusRequestPending:
		l.again(d, done, glareWait(l.uac)) // RFC 3261 14.1
	case res.StatusCode == wire.StatusCallTransactionDoesNotExists: // RFC 3261 12.2.1.2
		go l.fail(forgotten)
	default:
		done(res, fmt.Errorf("re-INVITE refused: %d %s", res.StatusCode, clip(res.Reason)))
	}
}

// glareWait is how long who made the Call-ID waits, and who did not.
func glareWait(owner bool) time.Duration {
	if owner {
		return time.Duration(2100+10*rand.IntN(191)) * time.Millisecond
	}
	return time.Duration(10*rand.IntN(201)) * time.Millisecond
}

var forgotten = call.Timeout.Why("the party knows of no such call any more")

// maxInfos bounds the digits that wait to be sent as INFO.
const maxInfos = 32

// info is a digit that a phone sends in a message of its own.
func (l *leg) info(tx *transaction.Server, req *wire.Request) {
	kind, _, _ := strings.Cut(header(req, "Content-Type", "c"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch kind {
	case fragmentType:
		l.takeFragment(tx, req)
		return
	case controlType:
		l.takeControl(tx, req)
		return
	}
	d, ok := digitFrom(kind, string(req.Body()))
	if !ok && len(req.Body()) > 0 {
		res := l.s.reply(req, wire.StatusUnsupportedMediaType, "Unsupported Media Type")
		res.AppendHeader(wire.NewHeader("Accept", "application/dtmf-relay, application/dtmf, "+fragmentType+", "+controlType))
		tx.Respond(res)
		return
	}
	tx.Respond(l.s.reply(req, wire.StatusOK, "OK"))
	if ok {
		l.tell(call.Pressed{Leg: l, Digit: d})
	}
}

// Bounds of a digit's length as INFO says it.
const (
	usualDigit   = 160 * time.Millisecond
	longestDigit = 5 * time.Second
)

// digitFrom reads application/dtmf-relay ("Signal=5", "Duration=160") and
// application/dtmf ("5").
func digitFrom(kind, body string) (media.Digit, bool) {
	d := media.Digit{Duration: usualDigit}
	signal := strings.TrimSpace(body)
	switch kind {
	case "application/dtmf", "application/dtmf-relay": // the former with or without Signal=
		if strings.Contains(body, "=") {
			signal = ""
		}
		for _, line := range strings.Split(body, "\n") {
			k, v, _ := strings.Cut(line, "=")
			v = strings.TrimSpace(v)
			switch strings.ToLower(strings.TrimSpace(k)) {
			case "signal":
				signal = v
			case "duration":
				if ms, err := strconv.Atoi(v); err == nil && ms > 0 {
					d.Duration = min(time.Duration(ms)*time.Millisecond, longestDigit)
				}
			}
		}
	default:
		return d, false
	}
	switch signal {
	case "10":
		signal = "*"
	case "11":
		signal = "#"
	}
	if len(signal) != 1 || !strings.Contains("0123456789*#ABCDabcd!", signal) {
		return d, false
	}
	d.Rune = rune(strings.ToUpper(signal)[0])
	return d, true
}

// Digit plays a digit to the party: in its media where that was agreed, else
// by INFO, one at a time so that they stay in order (call.Leg).
func (l *leg) Digit(d media.Digit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.audio(); r != nil && r.HasEvents() {
		r.SendDigit(d)
		l.post(call.Changed{Leg: l}) // its numbers are ours from now on
		return
	}
	if l.stage != up || len(l.infos) >= maxInfos {
		return
	}
	l.infos = append(l.infos, d)
	l.nextInfo()
}

// nextInfo sends the oldest digit unless one is out. Called with mu held.
func (l *leg) nextInfo() {
	if l.infoOut || len(l.infos) == 0 || l.stage != up {
		return
	}
	d := l.infos[0]
	l.infos, l.infoOut = l.infos[1:], true
	req := l.newRequest(wire.INFO, 0)
	l.s.common(req)
	req.AppendHeader(wire.NewHeader("Content-Type", "application/dtmf-relay"))
	req.SetBody(fmt.Appendf(nil, "Signal=%c\r\nDuration=%d\r\n", d.Rune, d.Duration.Milliseconds()))
	l.send(req, func(res *wire.Response, err error) {
		if err == nil && res.IsProvisional() {
			return
		}
		if err == nil && res.StatusCode == wire.StatusCallTransactionDoesNotExists { // RFC 3261 12.2.1.2
			l.fail(forgotten)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.infoOut = false
		l.nextInfo()
	})
}
