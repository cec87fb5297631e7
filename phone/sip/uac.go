package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// DialExtension calls all devices of an extension. Its error is a call.Cause
// or says which codecs are missing.
func (s *Server) DialExtension(ext *directory.Extension, set call.Setup, owner call.Owner) ([]call.Leg, error) {
	offer, err := media.OfferFrom(set.Offer, set.From.Codecs, ext.Codecs)
	if err != nil {
		return nil, err
	}
	var legs []call.Leg
	var last error = call.Unregistered
	now := time.Now()
	for _, device := range flows(s.cfg.Bindings.SIP(ext.Number), now, set.Device, s.doubtful) {
		l, err := s.dialDevice(ext, device, offer, set, owner)
		if err != nil {
			last = err
			continue
		}
		legs = append(legs, l)
	}
	if len(legs) == 0 {
		return nil, last
	}
	return legs, nil
}

func (s *Server) dialDevice(ext *directory.Extension, device []directory.Binding, offer media.Description, set call.Setup, owner call.Owner) (*leg, error) {
	l := s.newLeg("extension:"+ext.Number, device[0].Contact, true)
	l.device = true
	l.awaits(ext.Codecs)
	l.remote, l.remName = wire.Uri{Scheme: "sip", User: ext.Number}, quoted(ext.Name)
	l.prepare(owner, set)
	if err := l.byFlow(device, offer, set); err != nil {
		s.dropLeg(l)
		return nil, fmt.Errorf("contact of %s: %w", ext.Number, err)
	}
	return l, nil
}

// lookupTime bounds a DNS look-up for a call.
const lookupTime = 5 * time.Second

func (s *Server) reachAddr(proto transport.Protocol, to netip.AddrPort, name string, done func(transport.Path, error)) {
	if proto == transport.UDP {
		done(s.transport.UDPPath(to, netip.AddrPort{}))
		return
	}
	s.transport.Dial(proto, to, strings.Trim(name, "[]"), done)
}

// prepare makes the leg known before anything can come back.
func (l *leg) prepare(owner call.Owner, set call.Setup) {
	l.owner, l.logged = owner, set.CallID
	l.localTag = transaction.Token()
	l.callID = l.s.newCallID(l.localTag)
	l.s.addLeg(l)
}

// newCallID names the node and the leg, so that our own call is known when it
// comes back to us. It shows nobody's address.
func (s *Server) newCallID(tag string) string { return s.cfg.Node + "-" + tag }

func ownTag(id, node string) (string, bool) {
	rest, ok := strings.CutPrefix(id, node+"-")
	return rest, ok && rest != ""
}

// ring sends the INVITE once the way is known.
func (l *leg) ring(p transport.Path, err error, offer media.Description, set call.Setup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != early {
		return // given up meanwhile
	}
	if err == nil {
		l.path = p
		err = l.ready(offer)
	}
	if err != nil {
		l.giveUp(err)
		return
	}
	l.gathered(func() { l.invites(offer, set) })
}

// ready opens what our offer needs; of a party that makes the offer what it needs is
// not known yet. Called with mu held.
func (l *leg) ready(offer media.Description) error {
	if l.awaited != nil {
		l.closeLines() // of an INVITE before
		l.awaited.begins(offer)
		return nil
	}
	err := l.open(offer, l.path)
	if err == nil {
		l.proposeICE(offer)
	}
	return err
}

// invites sends the INVITE. Called with mu held.
func (l *leg) invites(offer media.Description, set call.Setup) {
	if l.stage != early {
		return // given up meanwhile
	}
	p := l.path
	l.showCaller(set)
	l.extra = append(l.history(set), l.autoAnswer(set)...)
	l.manners, l.shields = l.mannersBy(p), nil
	l.localSeq++
	l.inviteSeq = l.localSeq
	req := l.inviteRequest(l.inviteSeq, set.MaxForwards, minSessionExpires)
	l.proposes(req, offer)
	l.sendInvite(req, p, set.MaxForwards)
}

func (l *leg) inviteRequest(seq uint32, forwards int, minSE int) *wire.Request {
	req := l.newRequest(wire.INVITE, seq)
	req.AppendHeader(wire.NewHeader("Max-Forwards", itoa(forwards)))
	req.AppendHeader(l.s.contact(l.path, l.localTag))
	req.AppendHeader(wire.NewHeader("User-Agent", l.s.product()))
	req.AppendHeader(wire.NewHeader("Allow", allow))
	for _, h := range l.extra {
		req.AppendHeader(h)
	}
	l.timer.propose(req, l.s.settings.Load().Session, minSE)
	return req
}

func (l *leg) sendInvite(req *wire.Request, p transport.Path, forwards int) {
	on := l.adorn(req, p, l.hastened(p, func(res *wire.Response, err error) { l.response(res, err, forwards) }))
	l.client = l.s.layer.Request(req, p, on)
}

// giveUp ends a leg that never got out. Called with mu held.
func (l *leg) giveUp(err error) {
	if l.goesOn() {
		return
	}
	cause := call.Timeout
	switch {
	case errors.As(err, &cause):
	case errors.Is(err, media.ErrNoPorts):
		cause = call.NoPorts
	case errors.Is(err, errNoFlow):
		cause = call.Unregistered.Why("the phone's connection is gone and it has not registered again")
	case !errors.Is(err, transaction.ErrTimeout):
		cause = call.Timeout.Why(err.Error())
	}
	l.stage = gone
	l.post(call.Ended{Leg: l, Cause: cause})
	go l.s.dropLeg(l)
}

// response takes what comes back to the INVITE.
func (l *leg) response(res *wire.Response, err error, forwards int) {
	switch {
	case err != nil:
		l.mu.Lock()
		if l.stage == early {
			l.giveUp(err)
		} else if l.stage == leaving {
			l.stage = gone
			go l.s.dropLeg(l)
		}
		l.mu.Unlock()
	case res.IsProvisional():
		l.provisional(res)
	case res.IsSuccess():
		l.answered2xx(res)
	case res.StatusCode == 422 && l.longer(res, forwards):
	case l.otherwise(res, forwards):
	default:
		l.failed(res)
	}
}

func (l *leg) provisional(res *wire.Response) {
	tag, _ := res.To().Params.Get("tag")
	if res.StatusCode == wire.StatusTrying {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != early {
		return
	}
	seq, news := l.arrived(res, tag)
	if !news {
		return
	}
	if l.remoteTag == "" && tag != "" {
		l.fromResponse(res) // requests in the early dialog go there
	}
	if l.awaited != nil {
		l.earlyOffer(res, tag, seq)
		return
	}
	if seq > 0 {
		l.sendPRACK(res, seq, nil)
	}
	ev := call.Ringing{Leg: l, Code: res.StatusCode}
	if d, ok, err := offerIn(res); ok && err == nil && isSDP(res) && len(l.theirs.Streams) == 0 && l.takeAnswer(d) == nil {
		l.configure()
		early := media.Within(l.ours, l.theirs)
		ev.Early = &early
	}
	l.post(ev)
}

// answered2xx acknowledges every 2xx. The first makes the dialog; one of
// another branch of a fork is let go, and so is one that comes too late.
func (l *leg) answered2xx(res *wire.Response) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tag, _ := res.To().Params.Get("tag")
	seq := res.CSeq().SeqNo
	switch {
	case l.stage == early:
		l.established(res)
	case l.client != nil: // the answer crossed our CANCEL, under whatever tag
		l.fromResponse(res)
		l.declines(res)
		l.sendACK(seq)
		l.client = nil
		l.sendBye(call.Elsewhere)
	case tag == l.remoteTag:
		l.sendACK(seq)
	default:
		l.letGo(res, l.path)
	}
}

func (l *leg) established(res *wire.Response) {
	l.fromResponse(res)
	l.peerAllow = header(res, "Allow")
	l.stage, l.client = up, nil
	seq := res.CSeq().SeqNo
	if l.awaited != nil {
		l.lateOfferIn(res, seq)
		return
	}
	l.sendACK(seq)
	l.stands(res, l.answeredBy(res))
}

// stands begins the call with what was agreed, or ends it for a cause. Called with
// mu held.
func (l *leg) stands(res *wire.Response, cause *call.Cause) {
	if cause != nil {
		l.sendBye(*cause)
		l.post(call.Ended{Leg: l, Cause: *cause})
		return
	}
	l.configure()
	l.judge()
	l.timer.agreed(l, res)
	l.conclude()
}

// answeredBy takes the answer in a 2xx, or says why the call cannot be.
func (l *leg) answeredBy(res *wire.Response) *call.Cause {
	d, ok, err := offerIn(res)
	why := call.Failed.Why("the answer has no session description")
	switch {
	case err != nil:
		why.Text = err.Error()
		return &why
	case ok:
		return l.takeAnswer(d)
	case len(l.theirs.Streams) > 0:
		return nil // the answer came early and is not repeated
	}
	return &why
}

func (l *leg) sendACK(seq uint32) {
	answer, ready := l.acknowledging(seq)
	if !ready {
		return
	}
	ack := l.newRequest(wire.ACK, seq)
	ack.AppendHeader(wire.NewHeader("Max-Forwards", "70"))
	addCredentials(ack, l.credentials)
	described(ack, answer)
	p, err := l.hop(l.s.transport)
	if err != nil || !p.Valid() {
		return
	}
	ack.PrependHeader(transaction.Via(p, transaction.Branch()))
	_ = l.s.transport.Send(p, l.s.layer.Bytes(ack))
}

// letGo acknowledges an answer that is not wanted and says goodbye to it, in a
// dialog of its own. p is the way by which it came.
func (l *leg) letGo(res *wire.Response, p transport.Path) {
	other := &leg{s: l.s, uac: true, stage: up, link: l.link, credentials: l.credentials}
	other.dialog = l.dialog
	other.path, other.routes = p, nil
	other.fromResponse(res)
	if l.awaited != nil {
		other.inviteSeq, other.origin, other.awaited = res.CSeq().SeqNo, l.origin, &awaited{}
		other.declines(res)
	}
	other.sendACK(res.CSeq().SeqNo)
	other.sendBye(call.Elsewhere)
}

// longer repeats the INVITE with the session interval that a 422 asks for
// (RFC 4028 7.3), once.
func (l *leg) longer(res *wire.Response, forwards int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	want, _ := parseExpires(header(res, "Min-SE"))
	if l.stage != early || l.stretched || want <= minSessionExpires {
		return false
	}
	l.stretched = true
	l.repeat(forwards, want)
	return true
}

// statusFlowFailed is RFC 5626's: the phone is not there any more.
const statusFlowFailed = 430

func (l *leg) failed(res *wire.Response) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if res.StatusCode == statusFlowFailed && l.goesOn() {
		return
	}
	was := l.stage
	l.stage, l.client = gone, nil
	if was == early {
		l.post(l.refusal(res))
	}
	go l.s.dropLeg(l)
}

// refusal is what a failure means to the call: its end, or that a phone of ours
// sends it on.
func (l *leg) refusal(res *wire.Response) call.Event {
	if res.IsRedirection() && l.device {
		if numbers, reason := l.s.redirects(res, userOf(&l.remote)); len(numbers) > 0 {
			return call.Redirected{Leg: l, To: numbers, Reason: reason}
		}
	}
	return call.Ended{Leg: l, Cause: l.unencrypted(res, causeOf(res))}
}

// causeOf says in our words why a party refused.
func causeOf(res *wire.Response) call.Cause {
	code := res.StatusCode
	c := call.Cause{Kind: call.Failed.Kind, Code: code, Text: clip(strings.TrimSpace(itoa(code) + " " + res.Reason))}
	switch {
	case code == 486 || code == 600:
		c.Kind = call.Busy.Kind
	case code == 603 || code == 403 || code == 433 || code == 607 || code == 608:
		c.Kind = call.Rejected.Kind
	case code == 404 || code == 410 || code == 484 || code == 604:
		c.Kind = call.NotFound.Kind
	case code == 480 || code == 408 || code == 430:
		c.Kind = call.Timeout.Kind
	case code == 487:
		c.Kind = call.Cancelled.Kind
	case code == 488 || code == 606 || code == 415:
		c.Kind, c.Code = call.NotAcceptable.Kind, 488
	case code < 400, code == 401, code == 407:
		c.Code = 503 // a redirect or challenge is not passed through
	}
	return c
}

// escape makes a number fit for the user part of a URI (RFC 3261 25.1).
func escape(s string) string {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,?/"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(safe, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}
