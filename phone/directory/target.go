package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseTarget reads host, host:port, address, address:port, [v6] or [v6]:port.
// Its errors continue a sentence that begins with the text.
func parseTarget(text string) (Match, error) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return whole(a, 0)
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		if ap.Port() == 0 {
			return Match{}, errors.New("has port 0")
		}
		return whole(ap.Addr(), ap.Port())
	}
	host, port, found := strings.Cut(text, ":")
	if !isHost(host) {
		return Match{}, errors.New("is neither an address nor a host name")
	}
	m := Match{Host: strings.ToLower(strings.TrimSuffix(host, "."))}
	if found {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Match{}, errors.New("has no port from 1 to 65535 after the colon")
		}
		m.Port = uint16(n)
	}
	return m, nil
}

// HostPort reads a trunk's address or proxy: port 0 is none, and an IPv6 address
// has its brackets.
func HostPort(text string) (host string, port uint16, err error) {
	m, err := parseTarget(text)
	if err != nil {
		return "", 0, fmt.Errorf("%q %w", text, err)
	}
	return m.host(), m.Port, nil
}

func whole(a netip.Addr, port uint16) (Match, error) {
	if a.Zone() != "" {
		return Match{}, errors.New("has a zone, which a trunk cannot")
	}
	a = a.Unmap()
	return Match{Prefix: netip.PrefixFrom(a, a.BitLen()), Port: port}, nil
}

// isHost tells whether s is a host name (RFC 1123 2.1). One of digits and points
// alone is a mistyped address.
func isHost(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		odd := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, odd) || label[0] == '-' {
			return false
		}
	}
	return true
}
