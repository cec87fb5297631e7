package sip

import (
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
)

// maxDiversions bounds those that are read of a message and passed on.
const maxDiversions = 10

// redirects gives the numbers that a phone names in a 3xx instead of its own. It
// may name numbers of this system alone; what they lead to is the dialplan's to
// say.
func (s *Server) redirects(res *wire.Response, own string) (numbers []string, reason string) {
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*wire.ContactHeader)
		if !ok || len(numbers) >= maxDiversions {
			continue
		}
		number := userOf(&c.Address)
		if number != "" && number != own && (c.Address.Scheme == "tel" || s.served(c.Address.Host)) {
			numbers = append(numbers, clip(number))
		}
	}
	reason = "deflection"
	if d := diversions(res); len(d) > 0 && d[0].Reason != "" {
		reason = d[0].Reason
	}
	return numbers, reason
}

// diversions reads Diversion (RFC 5806), the latest first, as the headers have
// them.
func diversions(m wire.Message) (out []call.Diversion) {
	for h := range named(m, "Diversion") {
		for _, v := range listed(h.Value()) {
			u, _, ok := address(v)
			if !ok || len(out) >= maxDiversions {
				continue
			}
			_, params, _ := strings.Cut(v, ">")
			d := call.Diversion{Number: clip(userOf(&u))}
			for p := range strings.SplitSeq(params, ";") {
				if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(k, "reason") {
					d.Reason = clip(strings.Trim(v, "\""))
				}
			}
			out = append(out, d)
		}
	}
	return out
}

// listed splits a header's list of addresses.
func listed(v string) (out []string) {
	for v != "" {
		one := first(v)
		out = append(out, strings.TrimSpace(one))
		v = strings.TrimPrefix(v[len(one):], ",")
	}
	return out
}

// diverted gives who was called before, the first one first: by Diversion, or by
// the entries of History-Info before the last (RFC 7044).
func diverted(req *wire.Request) []call.Diversion {
	list := diversions(req)
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	if len(list) > 0 {
		return list
	}
	var entries []string
	for h := range named(req, "History-Info") {
		entries = append(entries, listed(h.Value())...)
	}
	for i := 0; i < len(entries)-1 && i < maxDiversions; i++ {
		if u, _, ok := address(entries[i]); ok {
			list = append(list, call.Diversion{Number: clip(userOf(&u)), Reason: "unknown"})
		}
	}
	return list
}

// history gives the headers that tell the called party how a call came to it.
func (l *leg) history(set call.Setup) (out []wire.Header) {
	if set.ReferredBy == "" && len(set.Diverted) == 0 {
		return nil
	}
	domain := l.s.domain(l.path)
	if set.ReferredBy != "" {
		if _, number, ok := strings.Cut(set.ReferredBy, ":"); ok {
			out = append(out, wire.NewHeader("Referred-By", "<sip:"+escape(number)+"@"+domain+">"))
		}
	}
	if len(set.Diverted) == 0 {
		return out
	}
	index := "1"
	for i, d := range set.Diverted {
		out = append(out, wire.NewHeader("History-Info", "<sip:"+escape(d.Number)+"@"+domain+">;index="+index))
		index += ".1"
		back := set.Diverted[len(set.Diverted)-1-i]
		out = append(out, wire.NewHeader("Diversion", "<sip:"+escape(back.Number)+"@"+domain+">;reason="+token(back.Reason)))
	}
	return append(out, wire.NewHeader("History-Info", "<"+l.target.Scheme+":"+escape(set.Dialled)+"@"+domain+">;index="+index))
}

// token keeps a value within RFC 3261's token.
func token(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}) {
		return "unknown"
	}
	return s
}

// answerMode reads how a caller wants a call answered, in any of the ways in which
// phones say it: RFC 5373, or the two of the field.
func answerMode(req *wire.Request) string {
	for _, h := range []string{"Answer-Mode", "Priv-Answer-Mode"} {
		if mode, _, _ := strings.Cut(header(req, h), ";"); strings.EqualFold(strings.TrimSpace(mode), "auto") {
			return "auto"
		}
	}
	if strings.Contains(header(req, "Call-Info"), "answer-after=0") || strings.Contains(header(req, "Alert-Info"), "alert-autoanswer") {
		return "auto"
	}
	return ""
}

// autoAnswer asks a phone to answer by itself; whether it does is its owner's to
// set.
func (l *leg) autoAnswer(set call.Setup) []wire.Header {
	if set.AnswerMode != "auto" || !isExtension(set.From.Ref) || !isExtension(l.party) {
		return nil
	}
	return []wire.Header{
		wire.NewHeader("Answer-Mode", "Auto"),
		wire.NewHeader("Call-Info", "<sip:"+l.s.domain(l.path)+">;answer-after=0"),
		wire.NewHeader("Alert-Info", "<http://"+l.s.domain(l.path)+">;info=alert-autoanswer"),
	}
}
