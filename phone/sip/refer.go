package sip

import (
	"fmt"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/sip/transaction"
)

// refer is a party that wants the other side connected elsewhere (RFC 3515):
//
//	REFER Refer-To: <sip:103@us>                     ── blind ──> call.Referred
//	REFER Refer-To: <sip:103@us?Replaces=ID;tags>    ── attended: the leg of ours that it names
//	NOTIFY message/sipfrag "SIP/2.0 180 Ringing" <── Progress
//
// What comes of it is told by NOTIFY within the dialog, unless the party does not
// want to know (RFC 4488).
func (l *leg) refer(tx *transaction.Server, req *wire.Request) {
	to, code, why := l.s.referTo(req)
	if code != 0 {
		tx.Respond(l.s.reply(req, code, why))
		return
	}
	r := &referNotices{l: l, event: "refer", quiet: strings.EqualFold(strings.TrimSpace(header(req, "Refer-Sub")), "false")}
	l.mu.Lock()
	if l.referred > 0 { // RFC 3515 2.4.6
		r.event += ";id=" + itoa(int(req.CSeq().SeqNo))
	}
	l.referred++
	l.retargetFrom(req)
	res := l.dialogReply(req, wire.StatusAccepted)
	l.mu.Unlock()
	if r.quiet {
		res.AppendHeader(wire.NewHeader("Refer-Sub", "false"))
	}
	tx.Respond(res)
	r.tell(call.Cause{Code: wire.StatusTrying})
	wish := call.Referred{Leg: l, To: userOf(&to.uri), Progress: r.tell}
	if ext, instance, ok := l.s.device(&to.uri); ok {
		wish.To, wish.Device = ext, instance
	}
	if l.s.elsewhere(&to.uri) {
		wish.Elsewhere = plainURI(&to.uri)
	}
	if to.replaces != nil {
		other, owner := l.s.replaced(to.replaces)
		if other == nil || !mayReplace(l.party, other) {
			r.tell(call.Cause{Code: wire.StatusCallTransactionDoesNotExists})
			return
		}
		wish.Replaced, wish.Of = other, owner
	}
	l.tell(wish)
}

// referral is what Refer-To says.
type referral struct {
	uri      wire.Uri
	replaces *replaces
}

// referTo reads Refer-To, or says with which code the REFER is refused.
func (s *Server) referTo(req *wire.Request) (to referral, code int, why string) {
	values := append(req.GetHeaders("Refer-To"), req.GetHeaders("r")...)
	if len(values) != 1 {
		return to, wire.StatusBadRequest, "One Refer-To is needed"
	}
	uri, _, ok := address(values[0].Value())
	method, _ := uri.UriParams.Get("method")
	switch {
	case !ok:
		return to, wire.StatusBadRequest, "Refer-To cannot be read"
	case uri.Scheme != "sip" && uri.Scheme != "sips" && uri.Scheme != "tel":
		return to, 416, "Unsupported URI Scheme"
	case method != "" && !strings.EqualFold(method, "INVITE"):
		return to, wire.StatusNotImplemented, "Only calls can be referred"
	case uri.Scheme != "tel" && !s.served(uri.Host) && !s.elsewhere(&uri):
		return to, wire.StatusForbidden, "Only numbers of this system can be called"
	case userOf(&uri) == "":
		return to, wire.StatusBadRequest, "Refer-To names nobody"
	}
	to.uri = uri
	if text, ok := uri.Headers.Get("Replaces"); ok {
		r, ok := parseReplaces(unescape(text))
		if !ok {
			return to, wire.StatusBadRequest, "Replaces cannot be read"
		}
		to.replaces = &r
	}
	return to, 0, ""
}

// referNotices tells who referred what comes of it. The leg's mutex guards it.
type referNotices struct {
	l     *leg
	event string
	quiet bool
	last  int // code that was told
}

// tell sends a NOTIFY (RFC 3515 2.4.5) for each new code; one of 200 or more is
// the last.
func (r *referNotices) tell(c call.Cause) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.quiet || r.last >= 200 || c.Code <= r.last || l.stage != up && l.stage != answered {
		return
	}
	r.last = c.Code
	state := "active;expires=180"
	if c.Code >= 200 {
		state = "terminated;reason=noresource"
	}
	req := l.newRequest(wire.NOTIFY, 0)
	l.s.common(req)
	req.AppendHeader(l.s.contact(l.path, l.localTag))
	req.AppendHeader(wire.NewHeader("Event", r.event))
	req.AppendHeader(wire.NewHeader("Subscription-State", state))
	req.AppendHeader(wire.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", c.Code, reasonPhrase(c.Code)))
	l.send(req, func(*wire.Response, error) {}) // who does not listen misses nothing but the news
}
