package sip

import (
	"net/netip"
	"strconv"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transport"
)

// advertise gives the address of ours that a peer can reach: the socket's own
// for who is inside, the public one for who is outside.
func (s *Server) advertise(p transport.Path) netip.Addr {
	own := p.Local.Addr()
	if !own.IsValid() || own.IsUnspecified() {
		own = s.transport.Source(p.Remote)
	}
	set := s.settings.Load()
	if inside(set, p.Remote.Addr()) || !set.External.IsValid() || own.Is4() != set.External.Is4() {
		return own.WithZone("")
	}
	return set.External
}

func inside(set *Settings, a netip.Addr) bool {
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.Is6() && a.IsPrivate() || set.Local.Contains(a)
}

// contact makes the URI under which a peer reaches a dialog of ours.
func (s *Server) contact(p transport.Path, user string) *wire.ContactHeader {
	u := wire.Uri{Scheme: "sip", User: user, Host: hostOf(s.advertise(p)), Port: int(s.port(p))}
	if p.Protocol != transport.UDP {
		u.UriParams = wire.NewParams()
		u.UriParams.Add("transport", uriTransport(p.Protocol))
	}
	return &wire.ContactHeader{Address: u}
}

// uriTransport is the name of a protocol in a URI.
func uriTransport(p transport.Protocol) string {
	if p == transport.WSS {
		return "ws" // over TLS too (RFC 7118 5.3)
	}
	return string(p)
}

// port gives the port that we listen on for a protocol: a connection that we
// dialled has another one of its own.
func (s *Server) port(p transport.Path) uint16 {
	if p.Protocol == transport.UDP {
		return p.Local.Port()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if port, ok := s.ports[p.Protocol]; ok {
		return port
	}
	return p.Local.Port()
}

func hostOf(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// domain gives what stands after the @ of our addresses towards a peer.
func (s *Server) domain(p transport.Path) string {
	if d := s.settings.Load().Domain; d != "" {
		return d
	}
	return hostOf(s.advertise(p))
}

// uriAddr gives the address of a URI whose host is a literal.
func uriAddr(u *wire.Uri) (netip.AddrPort, bool) {
	host := u.Host
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	port := u.Port
	if port == 0 {
		port = 5060
		if t, _ := u.UriParams.Get("transport"); t == "tls" || u.Scheme == "sips" {
			port = 5061
		}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port)), true
}

func uriProtocol(u *wire.Uri) transport.Protocol {
	t, _ := u.UriParams.Get("transport")
	switch {
	case wire.ASCIIToLower(t) == "ws" || wire.ASCIIToLower(t) == "wss":
		return transport.WSS
	case u.Scheme == "sips" || wire.ASCIIToLower(t) == "tls":
		return transport.TLS
	case wire.ASCIIToLower(t) == "tcp":
		return transport.TCP
	}
	return transport.UDP
}

func itoa(n int) string { return strconv.Itoa(n) }
