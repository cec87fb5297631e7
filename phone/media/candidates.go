package media

import (
	"net/netip"
	"slices"
)

// ICE is what one party said of how a line of its reaches through NATs (RFC
// 8839). Once it is in a Stream it is only read.
type ICE struct {
	Ufrag, Pwd string
	Lite       bool // answers checks and makes none (RFC 8445 2.5)
	Mismatch   bool // the other's default address was changed on the way (RFC 8839 4.2.5)
	Options    []string
	Candidates []Candidate
	Complete   bool // no candidate will follow (RFC 8840 4.4)
	// Remote names, by component, what an offerer that has finished uses of
	// the other's (RFC 8839 5.2).
	Remote []RemoteCandidate
}

// Components of a line: one where RTCP comes on RTP's port.
const (
	ComponentRTP  = 1
	ComponentRTCP = 2
)

// Candidate is an address that a party may be reached at (RFC 8839 5.1).
type Candidate struct {
	Foundation string // 1 to 32 characters
	Component  uint16 // 1 to 256
	Transport  string // udp, tcp
	Priority   uint32
	Host       string // an address, or the name that a browser has for it (.local)
	Port       uint16
	Type       string // host, srflx, prflx, relay
	Related    netip.AddrPort
	TCPType    string // of tcp: active, passive, so (RFC 6544 4.5)
}

// Addr gives the address; false for a name.
func (c *Candidate) Addr() (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(c.Host)
	return netip.AddrPortFrom(a.Unmap(), c.Port), err == nil
}

// RemoteCandidate is an address in use for a component.
type RemoteCandidate struct {
	Component uint16
	Addr      netip.AddrPort
}

// Trickles reports whether the party takes candidates one by one (RFC 8840).
func (i *ICE) Trickles() bool { return slices.Contains(i.Options, "trickle") }

// Same reports whether an ICE is of the same session as another, not of one
// begun anew (RFC 8839 4.4.1.1.1).
func (i *ICE) Same(o *ICE) bool {
	return i != nil && o != nil && i.Ufrag == o.Ufrag && i.Pwd == o.Pwd
}

// Mangled reports whether a line's default address is none of its candidates, as
// when something on the way has rewritten it: then ICE cannot be used (RFC 8839
// 4.2.5). Browsers that show no address name 0.0.0.0 port 9 (RFC 8840 4.1.2), and
// names may hide any address.
func (s *Stream) Mangled() bool {
	if s.ICE == nil || s.Refused() || len(s.ICE.Candidates) == 0 || s.hidden() {
		return false
	}
	return !slices.ContainsFunc(s.ICE.Candidates, func(c Candidate) bool {
		at, ok := c.Addr()
		return !ok || c.Component == ComponentRTP && at == netip.AddrPortFrom(s.RTP.Addr().Unmap(), s.RTP.Port())
	})
}

// discard is the port that stands for none (RFC 8839 4.2.1.2).
const discard = 9

// hidden reports whether the line shows no address at all.
func (s *Stream) hidden() bool {
	a := s.RTP.Addr()
	return s.RTP.Port() == discard && (!a.IsValid() || a.IsUnspecified())
}

// Holds reports whether the address of the line means that it is held, in the
// manner of RFC 2543.
func (s *Stream) Holds() bool {
	return s.RTP.Addr().IsUnspecified() && (s.ICE == nil || !s.hidden())
}
