package sip

import (
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// invite begins a call that comes in, or says why not.
func (s *Server) invite(tx *transaction.Server, req *wire.Request, p transport.Path) {
	who, ok := s.caller(tx, req, p)
	if !ok {
		return
	}
	if code, why := s.hops(req); code != 0 {
		tx.RespondOnce(s.reply(req, code, why))
		return
	}
	old, owner, earlyOnly, code := s.takesOver(req, who)
	if code != 0 {
		tx.Respond(s.reply(req, code, "Replaces: "+reasonPhrase(code)))
		return
	}
	key := mergeKey(req)
	if !s.claim(key, tx.Key()) {
		tx.Respond(s.reply(req, wire.StatusLoopDetected, "Merged Request"))
		return
	}
	offer, bad := s.offered(req)
	if bad != nil {
		s.release(key)
		tx.Respond(bad)
		return
	}
	l := s.newLeg(who.Ref, deviceOf(req, p), false)
	l.fromRequest(req, p)
	l.key = s.keyOf(who.Ref, p)
	l.device = isExtension(who.Ref) || l.key != "" || who.Ref == call.Stranger
	l.link = s.links.party(who.Ref)
	l.inviteSeq = req.CSeq().SeqNo
	l.mergeKey, l.invite, l.inviteTx, l.theirs = key, req, tx, offer
	l.late = len(req.Body()) == 0
	var barred *call.Cause
	if !l.late { // else the offer is ours
		l.theirs, barred = l.hear(offer)
		offer = l.theirs
	}
	l.noOffer = l.late
	l.rel.asked(req)
	l.peerAllow = header(req, "Allow")
	if res := l.timer.asked(s, req); res != nil {
		s.release(key)
		tx.Respond(res)
		return
	}
	for _, via := range req.GetHeaders("Via") {
		l.vias = append(l.vias, via.Value())
	}
	tx.SetTag(l.localTag)
	tx.Trying(s.trying(req))
	if err := l.open(offer, p); err != nil {
		s.cfg.Logger.Error("call refused: no RTP port; widen [rtp] ports", "from", who.Ref, "error", err)
		l.refuse(call.NoPorts)
		s.release(key)
		return
	}
	l.mu.Lock()
	l.heedICE(offer)
	waits := l.gathering()
	l.mu.Unlock()
	l.ours = media.Description{Streams: offer.Streams}
	if err := l.admit(false); err != nil {
		s.cfg.Logger.Warn("call refused", "from", who.Ref, "error", err)
		l.refuse(causeFrom(err))
		l.closeLines()
		s.release(key)
		return
	}
	s.addLeg(l)
	set := call.Setup{
		From: who, Dialled: dialled(req, s.trunkNamed(who.Ref)), Offer: offer, MaxForwards: forwards(req) - 1, Barred: barred,
		Diverted: diverted(req), AnswerMode: answerMode(req),
	}
	if ext, instance, ok := s.device(&req.Recipient); ok {
		set.Dialled, set.Device = ext, instance
	}
	s.after(waits, func() {
		if old != nil {
			owner.Post(call.Picked{Leg: old, By: l, Setup: set, EarlyOnly: earlyOnly})
			return
		}
		s.cfg.Calls.Incoming(l, set)
	})
}

// keyOf finds the registration of the device that calls.
func (s *Server) keyOf(party string, p transport.Path) string {
	ext, _ := strings.CutPrefix(party, "extension:")
	for _, b := range s.cfg.Bindings.SIP(ext) {
		if b.Received == p.Remote && b.Transport == string(p.Protocol) {
			return b.Key()
		}
	}
	return ""
}

func isExtension(ref string) bool { return len(ref) > 10 && ref[:10] == "extension:" }

// deviceOf names the device: its Contact where it has one.
func deviceOf(req *wire.Request, p transport.Path) string {
	if c := req.Contact(); c != nil {
		return c.Address.String()
	}
	return p.Remote.String()
}

// hops refuses what has come around too often (RFC 3261 16.3), or is our own
// call come back.
func (s *Server) hops(req *wire.Request) (code int, why string) {
	if forwards(req) <= 0 {
		return wire.StatusTooManyHops, "Too Many Hops"
	}
	if s.ownCall(string(*req.CallID())) {
		return wire.StatusLoopDetected, "Loop Detected"
	}
	return 0, ""
}

// ownCall reports whether a Call-ID is one that we made: it ends with a tag of
// a leg of ours.
func (s *Server) ownCall(id string) bool {
	tag, ok := ownTag(id, s.cfg.Node)
	if !ok {
		return false
	}
	return s.leg(tag) != nil
}

func forwards(req *wire.Request) int {
	if h := req.MaxForwards(); h != nil {
		return int(h.Val())
	}
	return 70
}

func mergeKey(req *wire.Request) string {
	tag, _ := req.From().Params.Get("tag")
	return string(*req.CallID()) + "|" + tag + "|" + strconv.Itoa(int(req.CSeq().SeqNo))
}

// claim notes an INVITE; the same one by another way is refused (RFC 3261
// 8.2.2.2).
func (s *Server) claim(key, tx string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.merges[key]; ok && other != tx {
		return false
	}
	s.merges[key] = tx
	return true
}

func (s *Server) release(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.merges, key)
}

// offered reads the offer of an INVITE, or makes the response that refuses it.
func (s *Server) offered(req *wire.Request) (media.Description, *wire.Response) {
	if len(req.Body()) > 0 && !isSDP(req) || header(req, "Content-Encoding", "e") != "" {
		res := s.reply(req, wire.StatusUnsupportedMediaType, "Unsupported Media Type")
		res.AppendHeader(wire.NewHeader("Accept", "application/sdp"))
		return media.Description{}, res
	}
	d, ok, err := offerIn(req)
	switch {
	case err != nil:
		return d, s.reply(req, wire.StatusBadRequest, quoted(clip(err.Error())))
	case !ok:
		return lateOffer(), nil
	}
	return d, nil
}

// Alert tells the caller of progress (call.Leg).
func (l *leg) Alert(code int, answer *media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != early || l.uac || l.invite == nil {
		return
	}
	res := l.dialogReply(l.invite, code)
	if answer != nil && !l.late {
		withSDP(res, l.settled(*answer))
	}
	l.provision(res)
}

// Prepare sets up the media of the first answer (call.Leg).
func (l *leg) Prepare(answer media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage == early && !l.uac {
		l.settled(answer)
	}
}

// Renew sets up the media of an answer within the dialog (call.Leg).
func (l *leg) Renew(answer media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage == up && l.invite != nil {
		l.theirs, l.shields = l.theirsNext, l.shieldsNext
		l.settled(answer)
	}
}

// settled makes an answer ours and puts it into effect.
func (l *leg) settled(answer media.Description) []byte {
	describe := l.describe
	if l.late {
		l.theirs = answer // until the ACK says more
		describe = l.offer
	}
	l.heedICE(l.theirs)
	body := describe(answer)
	l.configure()
	return body
}

// dialogReply makes a response that makes or is within the dialog. Called with
// mu held.
func (l *leg) dialogReply(req *wire.Request, code int) *wire.Response {
	res := l.s.reply(req, code, reasonPhrase(code))
	transaction.SetTag(res, l.localTag)
	wire.CopyHeaders("Record-Route", req, res)
	res.AppendHeader(l.s.contact(l.path, l.localTag))
	l.s.withAllow(res)
	return res
}

// Answer accepts the call (call.Leg).
func (l *leg) Answer(answer media.Description) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != early || l.uac || l.invite == nil {
		return
	}
	if l.rel.waits {
		l.rel.answer = &answer // RFC 3262 3: not before the PRACK
		return
	}
	l.give(answer)
}

// give sends the 200. Called with mu held.
func (l *leg) give(answer media.Description) {
	res := l.dialogReply(l.invite, wire.StatusOK)
	l.timer.agree(l, res)
	withSDP(res, l.settled(answer))
	l.judge()
	l.stage = answered
	if !l.asked.IsZero() && time.Since(l.asked) > l.s.timers().Lifetime() { // nobody repeats it that long (RFC 3261 13.3.1.4)
		l.inviteTx.Forget()
		l.stage, l.invite, l.inviteTx, l.vias, l.asked = up, nil, nil, nil, time.Time{}
		return
	}
	l.accept(res)
}

// accept sends a 2xx to an INVITE and repeats it until the ACK (RFC 3261
// 13.3.1.4). Called with mu held.
func (l *leg) accept(res *wire.Response) {
	tx, path := l.inviteTx, l.path
	body := tx.Respond(res)
	l.invite, l.inviteTx = nil, nil
	l.ok.start(l.s.timers(), func() { _ = l.s.transport.Send(path, body) }, func() {
		l.mu.Lock()
		if l.stage == answered {
			l.stage = up
		}
		ours := l.asked.IsZero()
		l.vias, l.asked = nil, time.Time{}
		l.mu.Unlock()
		if !ours { // its ACK went to the process before this one
			return
		}
		l.fail(call.Timeout.Why("the party never acknowledged the answer"))
	})
}

func (s *Server) timers() transaction.Timers {
	if s.cfg.Timers == (transaction.Timers{}) {
		return transaction.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second}
	}
	return s.cfg.Timers
}

// acked is the ACK to our 2xx.
func (l *leg) acked(req *wire.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if req.CSeq().SeqNo != l.inviteSeq {
		return
	}
	l.ok.stop()
	if l.noOffer {
		d, ok, err := offerIn(req)
		l.lateAnswer(d, ok && err == nil)
	}
	if l.stage == answered {
		l.stage, l.vias, l.asked = up, nil, time.Time{}
		l.retargetFrom(req)
		if l.byeAfter != nil {
			l.sendBye(*l.byeAfter)
		}
	}
}

func (l *leg) retargetFrom(req *wire.Request) {
	if req.Contact() != nil {
		l.retarget(req)
	}
}

// cancelled is the caller giving up before the answer, or one who called others too
// and was answered there.
func (l *leg) cancelled(tx *transaction.Server, cancel *wire.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != early || l.uac || l.inviteTx != responder(tx) || l.invite == nil {
		return // too late: the answer is on its way
	}
	req := l.invite
	l.stage, l.invite = gone, nil
	cause := call.Cancelled
	if completedElsewhere(cancel) {
		cause = call.Elsewhere
	}
	l.post(call.Ended{Leg: l, Cause: cause, Written: func() {
		tx.Respond(l.s.reply(req, wire.StatusRequestTerminated, "Request Terminated"))
		l.s.dropLeg(l)
	}})
}

func reasonPhrase(code int) string {
	switch code {
	case 180:
		return "Ringing"
	case 181:
		return "Call Is Being Forwarded"
	case 182:
		return "Queued"
	case 183:
		return "Session Progress"
	case 200:
		return "OK"
	case 100:
		return "Trying"
	case 202:
		return "Accepted"
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 408:
		return "Request Timeout"
	case 480:
		return "Temporarily Unavailable"
	case 481:
		return "Call/Transaction Does Not Exist"
	case 482:
		return "Loop Detected"
	case 483:
		return "Too Many Hops"
	case 486:
		return "Busy Here"
	case 487:
		return "Request Terminated"
	case 488:
		return "Not Acceptable Here"
	case 491:
		return "Request Pending"
	case 500:
		return "Server Internal Error"
	case 503:
		return "Service Unavailable"
	case 600:
		return "Busy Everywhere"
	case 603:
		return "Decline"
	}
	return "SIP " + itoa(code)
}
