package sip

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transport"
)

// DialTrunk calls a number by a trunk: where its address or proxy leads, or, for
// one that registers here, where it registered.
func (s *Server) DialTrunk(t *directory.Trunk, number string, set call.Setup, owner call.Owner) ([]call.Leg, error) {
	if t.IAX2() {
		return nil, fmt.Errorf("trunk %s speaks IAX2, not SIP", t.Name)
	}
	offer, err := media.OfferFrom(set.Offer, set.From.Codecs, t.Codecs)
	if err != nil {
		return nil, err
	}
	if t.Accept == "register" {
		return s.dialRegistered(t, number, offer, set, owner)
	}
	host, port, err := directory.HostPort(t.Address)
	if err != nil {
		return nil, fmt.Errorf("trunk %s: %w", t.Name, err)
	}
	k := s.links.of(t)
	hop, routes, err := k.hop(t)
	if err != nil {
		return nil, fmt.Errorf("trunk %s: %w", t.Name, err)
	}
	l, err := s.trunkLeg(k, t, t.Address)
	if err != nil {
		return nil, err
	}
	l.target = phoneURI(t, number, cmp.Or(t.Domain, host))
	if l.target.Scheme == "sip" {
		l.target.Host, l.target.Port = host, int(port)
		if t.Transport == "tcp" || t.Transport == "tls" {
			l.target.UriParams = wire.HeaderParams{{K: "transport", V: t.Transport}}
		}
	}
	l.remote = phoneURI(t, number, cmp.Or(t.Domain, host))
	l.trip.offer, l.trip.set = offer, set
	l.routes, l.trip.routes = routes, routes
	l.prepare(owner, set)
	s.targets(hop, l.depart)
	return []call.Leg{l}, nil
}

// dialRegistered calls a trunk where it registered last. Its Contact is the
// target; the number is in To, and in P-Called-Party-ID (RFC 7315 4.2).
func (s *Server) dialRegistered(t *directory.Trunk, number string, offer media.Description, set call.Setup, owner call.Owner) ([]call.Leg, error) {
	b, ok := s.latest(t.Ref())
	if !ok {
		return nil, call.Unregistered.Why("trunk " + t.Name + " has not registered here")
	}
	l, err := s.trunkLeg(s.links.of(t), t, b.Contact)
	if err != nil {
		return nil, err
	}
	l.device, l.key, l.heard = true, b.Key(), b.Updated
	if err := wire.ParseUri(b.Contact, &l.target); err != nil {
		l.unseat()
		return nil, fmt.Errorf("contact of trunk %s: %w", t.Name, err)
	}
	l.remote = wire.Uri{Scheme: "sip", User: escape(number)}
	l.trip.called = number
	l.prepare(owner, set)
	s.flow(&b, func(p transport.Path, err error) { l.ring(p, err, offer, set) })
	return []call.Leg{l}, nil
}

// trunkLeg makes a leg that calls by a trunk, if it may have one more call.
func (s *Server) trunkLeg(k *link, t *directory.Trunk, name string) (*leg, error) {
	l := s.newLeg(t.Ref(), name, true)
	l.link, l.trip = k, &trip{trunk: t, try: k.try()}
	l.awaits(t.Codecs)
	return l, l.admit(false)
}

// hop says where requests that are in no dialog go, and by which Route: the
// outbound proxy, then what the registrar said (RFC 3608 6.1), else the address
// itself.
func (k *link) hop(t *directory.Trunk) (resolve.Query, []string, error) {
	q, routes, err := resolveTrunk(t)
	service := k.serviceRoute()
	if len(routes) == 0 && len(service) > 0 {
		var u wire.Uri
		if err = parseRoute(service[0], &u); err == nil {
			q = uriQuery(&u, q.Protocol)
		}
	}
	return q, append(routes, service...), err
}

// resolveTrunk is hop without what a registrar said: for a REGISTER.
func resolveTrunk(t *directory.Trunk) (q resolve.Query, routes []string, err error) {
	q.Protocol = transport.Protocol(t.Transport)
	at := t.Address
	if t.Proxy != "" {
		at, routes = t.Proxy, []string{"<sip:" + t.Proxy + ";lr>"}
	}
	q.Host, q.Port, err = directory.HostPort(at)
	return q, routes, err
}

// uriQuery is what a URI says of where it is (RFC 3263 4.1).
func uriQuery(u *wire.Uri, otherwise transport.Protocol) resolve.Query {
	q := resolve.Query{Host: u.Host, Port: uint16(u.Port), Protocol: otherwise}
	t, _ := u.UriParams.Get("transport")
	switch t = wire.ASCIIToLower(t); {
	case u.Scheme == "sips" || t == "tls":
		q.Protocol = transport.TLS
	case t == "tcp" || t == "udp":
		q.Protocol = transport.Protocol(t)
	}
	return q
}

// targets finds the places of a query, the healthy ones first: at once for a
// literal address, else on a goroutine of its own.
func (s *Server) targets(q resolve.Query, done func([]resolve.Target, error)) {
	look := func() {
		ctx, cancel := context.WithTimeout(s.ctx, lookupTime)
		defer cancel()
		list, err := s.resolver.Resolve(ctx, q)
		done(s.health.Sort(list), err)
	}
	if _, err := netip.ParseAddr(strings.Trim(q.Host, "[]")); err == nil {
		look()
		return
	}
	s.wg.Go(look)
}

// goTo gives the way to a target.
func (s *Server) goTo(t resolve.Target, done func(transport.Path, error)) {
	s.reachAddr(t.Protocol, t.Addr, t.Name, done)
}

// latest gives the registration that a trunk is called by.
func (s *Server) latest(key string) (last directory.Binding, ok bool) {
	for _, b := range s.cfg.Bindings.SIP(key) {
		if !ok || b.Updated.After(last.Updated) {
			last, ok = b, true
		}
	}
	return last, ok
}

// trunkOf finds the trunk that a request comes from when it is no phone's: by its
// source, by the Contact that the trunk was given (carriers call from other
// addresses than their registrar's), or by coming from just where we are
// registered (others do not call that Contact).
func (s *Server) trunkOf(req *wire.Request, p transport.Path) (*directory.Trunk, bool) {
	snap := s.cfg.Directory.Snapshot()
	if t, ok := snap.TrunkFor(p.Remote); ok && t.Accept == "" {
		return t, true
	}
	if t, ok := snap.TrunkByToken(req.Recipient.User); ok {
		return t, true
	}
	return s.links.registrar(p)
}

// trunkNamed finds the SIP trunk of a party.
func (s *Server) trunkNamed(ref string) *directory.Trunk {
	name, ok := strings.CutPrefix(ref, "trunk:")
	if !ok {
		return nil
	}
	t, _ := s.cfg.Directory.Snapshot().Trunk(name)
	if t == nil || t.IAX2() {
		return nil
	}
	return t
}
