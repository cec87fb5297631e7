package directory

import (
	"fmt"
	"net/netip"
	"strings"
)

// Match is a source whose calls are a trunk's.
type Match struct {
	Prefix netip.Prefix // of a literal address (a whole one) or a network
	Host   string       // of a name, lower case; Prefix is then not valid
	Port   uint16       // 0: any
}

// ParseMatch reads host, host:port or CIDR; an IPv6 address with a port is
// written [address]:port.
func ParseMatch(text string) (Match, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return Match{}, fmt.Errorf("%q is not a network", text)
		}
		if a := p.Addr(); a.Is4In6() {
			return Match{}, fmt.Errorf("%q is an IPv4 network in IPv6's clothes", text)
		}
		return Match{Prefix: p.Masked()}, nil
	}
	m, err := parseTarget(text)
	if err != nil {
		return Match{}, fmt.Errorf("%q %w", text, err)
	}
	return m, nil
}

// String is what ParseMatch reads.
func (m Match) String() string {
	switch {
	case m.Host != "" && m.Port != 0:
		return fmt.Sprintf("%s:%d", m.Host, m.Port)
	case m.Host != "":
		return m.Host
	case m.Port != 0:
		return netip.AddrPortFrom(m.Prefix.Addr(), m.Port).String()
	case m.Prefix.IsSingleIP():
		return m.Prefix.Addr().String()
	}
	return m.Prefix.String()
}

// claim is the same for two spellings of one source.
func (m Match) claim() string { return m.String() }

// host is the name or address without its port.
func (m Match) host() string {
	if m.Host != "" || !m.Prefix.IsValid() {
		return m.Host
	}
	if a := m.Prefix.Addr(); a.Is6() {
		return "[" + a.String() + "]"
	}
	return m.Prefix.Addr().String()
}
