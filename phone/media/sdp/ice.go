package sdp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tincan/phone/media"
)

// Bounds on what a stranger says of ICE. RFC 8839 5.4 gives those of ufrag and
// password; a laptop with a VPN and a telephone has some 20 candidates.
const (
	MaxCandidates = 32
	minUfrag      = 4
	minPwd        = 22
	maxSecret     = 256
	maxFoundation = 32
	maxComponent  = 256
	maxHost       = 255
	maxOptions    = 8
	maxMid        = 32
)

// iceAttribute reads an attribute of ICE, of the session or of a stream; false
// if it is none. What does not follow the grammar is as good as not said: the
// call may do without.
func (p *parser) iceAttribute(name, arg string) bool {
	of := &p.ice
	if p.stream != nil {
		if p.stream.ICE == nil && strings.HasPrefix(name, "ice-") {
			p.stream.ICE = &media.ICE{}
		}
		of = p.stream.ICE
	}
	switch name {
	case "ice-ufrag":
		of.Ufrag = iceSecret(arg, minUfrag)
	case "ice-pwd":
		of.Pwd = iceSecret(arg, minPwd)
	case "ice-lite": // of the session, but some write it in streams
		of.Lite = true
	case "ice-mismatch":
		of.Mismatch = true
	case "ice-options":
		of.Options = iceOptions(arg)
	case "candidate", "end-of-candidates", "remote-candidates":
		p.reached(name, arg)
	default:
		return strings.HasPrefix(name, "ice-")
	}
	return true
}

// reached reads what is said of a stream's addresses.
func (p *parser) reached(name, arg string) {
	if p.stream == nil {
		p.ice.Complete = p.ice.Complete || name == "end-of-candidates"
		return
	}
	if p.stream.ICE == nil {
		p.stream.ICE = &media.ICE{}
	}
	of := p.stream.ICE
	switch name {
	case "candidate":
		of.Candidates = appendCandidate(of.Candidates, arg)
	case "end-of-candidates":
		of.Complete = true
	default:
		of.Remote = remoteCandidates(arg)
	}
}

func appendCandidate(all []media.Candidate, text string) []media.Candidate {
	c, err := ParseCandidate(text)
	if err != nil || len(all) == MaxCandidates || slices.Contains(all, c) {
		return all
	}
	return append(all, c)
}

// settledICE gives what a stream said with what the session said for all. A
// stream without ufrag or password does not speak ICE, but may tell that it
// does not, since the address was changed.
func (p *parser) settledICE(own *media.ICE) *media.ICE {
	if own == nil {
		own = &media.ICE{}
	}
	if own.Ufrag == "" && own.Pwd == "" {
		own.Ufrag, own.Pwd = p.ice.Ufrag, p.ice.Pwd
	}
	own.Lite = own.Lite || p.ice.Lite
	own.Complete = own.Complete || p.ice.Complete
	if len(own.Options) == 0 {
		own.Options = p.ice.Options
	}
	switch {
	case own.Mismatch || p.ice.Mismatch:
		return &media.ICE{Mismatch: true}
	case own.Ufrag == "" || own.Pwd == "":
		return nil
	}
	return own
}

// iceSecret gives a ufrag or password, or "".
func iceSecret(s string, least int) string {
	if len(s) < least || len(s) > maxSecret || !iceChars(s) {
		return ""
	}
	return s
}

func iceChars(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	return s != ""
}

func iceOptions(arg string) (out []string) {
	for _, o := range strings.Fields(arg) {
		if len(out) < maxOptions && len(o) <= maxSecret && token(o) {
			out = append(out, o)
		}
	}
	return out
}

// remoteCandidates reads "1 192.0.2.1 5000 2 192.0.2.1 5001".
func remoteCandidates(arg string) (out []media.RemoteCandidate) {
	f := strings.Fields(arg)
	for ; len(f) >= 3 && len(out) < MaxCandidates; f = f[3:] {
		component, err := strconv.ParseUint(f[0], 10, 16)
		port, perr := strconv.ParseUint(f[2], 10, 16)
		addr := address(f[1])
		if err != nil || perr != nil || component == 0 || component > maxComponent || !addr.IsValid() {
			return nil
		}
		out = append(out, media.RemoteCandidate{Component: uint16(component), Addr: netip.AddrPortFrom(addr, uint16(port))})
	}
	return out
}

// ParseCandidate reads the value of a candidate attribute (RFC 8839 5.1):
//
//	1 1 UDP 2130706431 192.0.2.1 8998 typ host
//	2 1 TCP 1694498815 192.0.2.3 443 typ srflx raddr 10.0.1.1 rport 9 tcptype passive
//
// Extensions are left out.
func ParseCandidate(text string) (media.Candidate, error) {
	f := strings.Fields(text)
	if len(f) < 8 || f[6] != "typ" {
		return media.Candidate{}, fmt.Errorf("%w: candidate %.80q", ErrMalformed, text)
	}
	component, err := strconv.ParseUint(f[1], 10, 16)
	priority, perr := strconv.ParseUint(f[3], 10, 32)
	port, oerr := strconv.ParseUint(f[5], 10, 16)
	c := media.Candidate{
		Foundation: f[0], Component: uint16(component), Transport: strings.ToLower(f[2]), Priority: uint32(priority),
		Host: f[4], Port: uint16(port), Type: f[7],
	}
	if a := address(f[4]); a.IsValid() {
		c.Host = a.String()
	}
	if err != nil || perr != nil || oerr != nil || !plausible(c) {
		return media.Candidate{}, fmt.Errorf("%w: candidate %.80q", ErrMalformed, text)
	}
	extend(&c, f[8:])
	return c, nil
}

func plausible(c media.Candidate) bool {
	return c.Component >= 1 && c.Component <= maxComponent &&
		len(c.Foundation) <= maxFoundation && iceChars(c.Foundation) &&
		len(c.Host) <= maxHost && hostChars(c.Host) &&
		token(c.Type) && len(c.Type) <= maxFoundation && token(c.Transport) && len(c.Transport) <= maxFoundation
}

// hostChars reports whether s can be an address or a name.
func hostChars(s string) bool {
	for i := range len(s) {
		if c := s[i]; !iceChars(s[i:i+1]) && strings.IndexByte(".-_:", c) < 0 || c == '+' || c == '/' {
			return false
		}
	}
	return s != ""
}

// extend reads the pairs of name and value after the type.
func extend(c *media.Candidate, f []string) {
	var addr netip.Addr
	var port uint16
	for ; len(f) >= 2; f = f[2:] {
		switch f[0] {
		case "raddr":
			addr = address(f[1])
		case "rport":
			n, _ := strconv.ParseUint(f[1], 10, 16)
			port = uint16(n)
		case "tcptype":
			if f[1] == "active" || f[1] == "passive" || f[1] == "so" {
				c.TCPType = f[1]
			}
		}
	}
	if addr.IsValid() {
		c.Related = netip.AddrPortFrom(addr, port)
	}
}

// lite reports whether all that speak ICE in d are lite, as the session says then
// (RFC 8839 5.3).
func lite(d media.Description) bool {
	found := false
	for i := range d.Streams {
		if ice := d.Streams[i].ICE; ice != nil && !d.Streams[i].Refused() && !ice.Mismatch {
			if !ice.Lite {
				return false
			}
			found = true
		}
	}
	return found
}

func (w *writer) ice(ice *media.ICE, session bool) {
	if ice == nil {
		return
	}
	if ice.Lite && !session {
		w.add("a=ice-lite\r\n")
	}
	if ice.Mismatch {
		w.add("a=ice-mismatch\r\n")
		return
	}
	w.add("a=ice-ufrag:")
	w.text(ice.Ufrag)
	w.add("\r\na=ice-pwd:")
	w.text(ice.Pwd)
	w.add("\r\n")
	if len(ice.Options) > 0 {
		w.add("a=ice-options:")
		w.text(strings.Join(ice.Options, " "))
		w.add("\r\n")
	}
	for i := range ice.Candidates {
		w.add("a=candidate:")
		w.text(FormatCandidate(ice.Candidates[i]))
		w.add("\r\n")
	}
	w.remoteCandidates(ice.Remote)
	if ice.Complete {
		w.add("a=end-of-candidates\r\n")
	}
}

func (w *writer) remoteCandidates(all []media.RemoteCandidate) {
	for i, r := range all {
		if i == 0 {
			w.add("a=remote-candidates:")
		} else {
			w.add(" ")
		}
		w.number(uint64(r.Component))
		w.add(" ", r.Addr.Addr().WithZone("").String(), " ")
		w.number(uint64(r.Addr.Port()))
	}
	if len(all) > 0 {
		w.add("\r\n")
	}
}

// FormatCandidate gives the value of a candidate attribute.
func FormatCandidate(c media.Candidate) string {
	s := fmt.Sprintf("%s %d %s %d %s %d typ %s", c.Foundation, c.Component, c.Transport, c.Priority, c.Host, c.Port, c.Type)
	if c.Related.Addr().IsValid() {
		s += fmt.Sprintf(" raddr %s rport %d", c.Related.Addr().WithZone(""), c.Related.Port())
	}
	if c.TCPType != "" {
		s += " tcptype " + c.TCPType
	}
	return s
}
