package sip

import (
	"cmp"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/message"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transport"
)

var _ message.Trunks = (*Server)(nil)

// Forward sends a message to a number by a trunk (message.Trunks). What the other
// side says is the sender's answer: nothing waits here.
func (s *Server) Forward(m *message.Message, trunk, number string, done func(message.Result)) {
	t, ok := s.cfg.Directory.Snapshot().Trunk(trunk)
	if !ok || t.IAX2() {
		done(message.Result{Verdict: message.Unknown, Text: "there is no SIP trunk " + trunk})
		return
	}
	if t.Accept == "register" {
		s.forwardRegistered(m, t, number, done)
		return
	}
	k := s.links.of(t)
	hop, routes, err := k.hop(t)
	if err == nil {
		var host string
		if host, _, err = directory.HostPort(t.Address); err == nil {
			target := phoneURI(t, number, cmp.Or(t.Domain, host))
			s.targets(hop, func(list []resolve.Target, err error) { s.forward(m, k, t, target, routes, list, err, done) })
			return
		}
	}
	done(message.Result{Verdict: message.Failed, Text: "trunk " + trunk + " leads nowhere"})
}

func (s *Server) forward(m *message.Message, k *link, t *directory.Trunk, target wire.Uri, routes []string, list []resolve.Target, err error, done func(message.Result)) {
	if err == nil && len(list) == 0 {
		err = errNoTarget
	}
	if err != nil {
		done(message.Result{Verdict: message.Absent, Text: "trunk " + t.Name + " cannot be found"})
		return
	}
	var seq uint32
	e := &errand{s: s, try: k.try(), left: list, seq: func() uint32 { seq++; return seq }}
	e.make = func(p transport.Path) *wire.Request {
		req := s.messageRequest(m, target, target, p)
		req.CSeq().SeqNo = e.seq()
		for _, r := range routes {
			req.AppendHeader(wire.NewHeader("Route", r))
		}
		s.showSender(req, m, t, p)
		return req
	}
	e.done = func(res *wire.Response, end errandEnd) { done(forwarded(res, end.err)) }
	e.run(nil)
}

// showSender sets who a message is from in the form that a trunk wants.
func (s *Server) showSender(req *wire.Request, m *message.Message, t *directory.Trunk, p transport.Path) {
	number, hidden := cmp.Or(t.Number, m.Number), t.Privacy || m.Private
	from := req.From()
	from.Address = wire.Uri{Scheme: "sip", User: escape(number), Host: s.domain(p)}
	if t.Username != "" && t.Domain != "" {
		from.Address.Host = t.Domain
	}
	shown := identity{name: from.DisplayName, uri: phoneURI(t, number, from.Address.Host)}
	if hidden {
		req.AppendHeader(wire.NewHeader("Privacy", "id"))
		from.DisplayName = anonymousName
	}
	switch {
	case t.CallerID != "" && t.CallerID != "from":
		if t.Username != "" {
			from.Address.User = escape(t.Username)
		}
		req.AppendHeader(shown.header(t.CallerID, hidden))
	case hidden:
		from.Address = wire.Uri{Scheme: "sip", User: anonymousUser, Host: anonymousHost}
	}
}

// forwardRegistered sends a message to a trunk where it registered last.
func (s *Server) forwardRegistered(m *message.Message, t *directory.Trunk, number string, done func(message.Result)) {
	b, ok := s.latest(t.Ref())
	var target wire.Uri
	if !ok || wire.ParseUri(b.Contact, &target) != nil {
		done(message.Result{Verdict: message.Absent, Text: "trunk " + t.Name + " has not registered here"})
		return
	}
	s.flow(&b, func(p transport.Path, err error) {
		if err != nil {
			done(message.Result{Verdict: message.Absent, Text: "trunk " + t.Name + " cannot be reached"})
			return
		}
		to := wire.Uri{Scheme: "sip", User: escape(number), Host: s.domain(p)}
		req := s.messageRequest(m, target, to, p)
		req.AppendHeader(wire.NewHeader("P-Called-Party-ID", "<"+to.String()+">"))
		s.showSender(req, m, t, p)
		s.layer.Request(req, p, func(res *wire.Response, err error) {
			if err != nil || !res.IsProvisional() {
				done(forwarded(res, err))
			}
		})
	})
}

// forwarded says what a trunk's answer means.
func forwarded(res *wire.Response, err error) message.Result {
	switch {
	case res == nil || err != nil:
		return message.Result{Verdict: message.Absent, Text: "the trunk does not answer"}
	case res.StatusCode < 300:
		return message.Result{Verdict: message.Taken}
	case res.StatusCode == wire.StatusNotFound || res.StatusCode == 604 || res.StatusCode == 410:
		return message.Result{Verdict: message.Unknown, Text: "the trunk knows no such number"}
	case takes(res.StatusCode) == message.Cannot:
		return message.Result{Verdict: message.Refused, Text: "the trunk takes no messages of this type"}
	}
	return message.Result{Verdict: message.Absent, Text: clip("the trunk says " + itoa(res.StatusCode) + " " + quoted(res.Reason))}
}
