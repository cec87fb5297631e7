// Package sdp reads and writes session descriptions (RFC 8866) as
// media.Description.
//
// The reader is tolerant of what phones send: LF or CR alone, no final line
// end, s= or t= missing or out of place, unknown lines, m= lines of any kind.
// The writer is strict, and what it wrote reads as what it was given. What this
// package does not know it drops, but for the attributes that concern the two
// ends alone (passed).
package sdp

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// Bounds on what a stranger may send; a description of a video phone with ICE
// has about 80 lines and four streams.
const (
	MaxBytes   = 32 << 10
	MaxLines   = 1000
	MaxStreams = 16
	MaxFormats = 64 // formats of one stream
	// Ways to secure one stream that are looked at: more than there are suites,
	// and certificates that one phone has.
	MaxCrypto       = 16
	MaxFingerprints = 4
)

// ErrMalformed is wrapped by every error of Parse.
var ErrMalformed = errors.New("malformed session description")

func malformed(line int, format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrMalformed, line, fmt.Sprintf(format, args...))
}

// Origin is the o= line (RFC 8866 5.2): who made the description, and its
// version, which rises by one with each change.
type Origin struct {
	ID, Version uint64
	Addr        netip.Addr
}

// extended is the attribute of reports that a party wants, of the session or of a
// stream (RFC 3611 5).
const extended = "rtcp-xr"

// passed are the attributes handed on from one party to the other.
var passed = map[string]bool{
	"zrtp-hash": true, extended: true, "framerate": true, "imageattr": true, "content": true, "label": true, "extmap": true,
}

type parser struct {
	d         media.Description
	o         Origin
	conn      netip.Addr      // of the session
	direction media.Direction // of the session
	stream    *media.Stream   // nil: session level
	security  security        // of the session
	reports   string          // rtcp-xr of the session
	listed    []string        // formats of the stream as written
	ice       media.ICE       // of the session
}

// Parse reads a description; at most MaxBytes, MaxLines and MaxStreams.
func Parse(b []byte) (media.Description, Origin, error) {
	if len(b) > MaxBytes {
		return media.Description{}, Origin{}, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(b), MaxBytes)
	}
	p := parser{direction: media.SendRecv}
	n, seenVersion := 0, false
	for line := range lines(string(b)) {
		if n++; n > MaxLines {
			return p.d, p.o, malformed(n, "more than %d lines", MaxLines)
		}
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' || strings.Contains(line, "\x00") {
			return p.d, p.o, malformed(n, "%.40q is not type=value", line)
		}
		if line[0] == 'v' {
			seenVersion = true
		}
		if err := p.line(n, line[0], strings.TrimSpace(line[2:])); err != nil {
			return p.d, p.o, err
		}
	}
	if !seenVersion {
		return p.d, p.o, malformed(n, "no v= line")
	}
	p.endStream()
	return p.d, p.o, nil
}

// lines gives the lines without their ends: CRLF, LF, or CR alone, so that no
// value holds an end that another parser would see (RFC 8866 9, byte-string).
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			end := strings.IndexAny(text, "\r\n")
			line, skip := text, 0
			if end >= 0 {
				line, skip = text[:end], 1
				if strings.HasPrefix(text[end:], "\r\n") {
					skip = 2
				}
			}
			text = text[len(line)+skip:]
			if !yield(line) {
				return
			}
		}
	}
}

func (p *parser) line(n int, kind byte, value string) error {
	switch kind {
	case 'o':
		p.origin(value)
	case 'c':
		return p.connection(n, value)
	case 'm':
		return p.media(n, value)
	case 'a':
		return p.attribute(n, value)
	}
	return nil // v, s, i, t, b, k, z, r, u, e, p carry nothing that is used here
}

func (p *parser) origin(value string) {
	f := strings.Fields(value)
	if len(f) < 6 {
		return // what phones get wrong here harms nobody
	}
	p.o.ID, _ = strconv.ParseUint(f[1], 10, 64)
	p.o.Version, _ = strconv.ParseUint(f[2], 10, 64)
	p.o.Addr = address(f[5])
}

// address reads an address as packets have it: a host name gives none.
func address(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a.Unmap().WithZone("")
}

// connection reads "IN IP4 192.0.2.1[/ttl]". A host name gives no address:
// the flow then waits for the party's first packet.
func (p *parser) connection(n int, value string) error {
	f := strings.Fields(value)
	if len(f) != 3 || f[0] != "IN" {
		return malformed(n, "connection %.40q is not IN IP4|IP6 address", value)
	}
	host, _, _ := strings.Cut(f[2], "/")
	addr := address(host)
	if p.stream == nil {
		p.conn = addr
	} else {
		p.stream.RTP = netip.AddrPortFrom(addr, p.stream.RTP.Port())
	}
	return nil
}

func (p *parser) media(n int, value string) error {
	p.endStream()
	if len(p.d.Streams) == MaxStreams {
		return malformed(n, "more than %d streams", MaxStreams)
	}
	f := strings.Fields(value)
	if len(f) < 3 {
		return malformed(n, "m=%.40q wants media, port, protocol and formats", value)
	}
	if len(f)-3 > MaxFormats {
		return malformed(n, "more than %d formats", MaxFormats)
	}
	portText, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return malformed(n, "port %.40q is not 0 to 65535", portText)
	}
	p.d.Streams = append(p.d.Streams, media.Stream{
		Name: f[0], Proto: f[2], RTP: netip.AddrPortFrom(p.conn, uint16(port)), Direction: p.direction,
	})
	p.stream, p.listed = &p.d.Streams[len(p.d.Streams)-1], f[3:]
	if len(p.listed) == 0 {
		p.listed = []string{noFormat}
	}
	return p.formats(n, f[3:])
}

// noFormat stands where the grammar wants a format and there is none.
const noFormat = "0"

func (p *parser) formats(n int, fields []string) error {
	s := p.stream
	if s.Name == "image" && strings.EqualFold(s.Proto, "udptl") {
		s.Kind = media.Image
		return nil
	}
	if s.Kind = kinds[s.Name]; s.Kind == media.Other || !strings.HasPrefix(s.Proto, "RTP/") && !strings.Contains(s.Proto, "/RTP/") {
		s.Kind = media.Other
		return nil
	}
	for _, f := range fields {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			return malformed(n, "payload type %.40q is not 0 to 127", f)
		}
		if p.format(uint8(pt)) != nil {
			continue // listed twice
		}
		known, ok := codec.Static(uint8(pt))
		if !ok {
			known = codec.Format{PT: uint8(pt)}
		}
		s.Formats = append(s.Formats, known)
	}
	return nil
}

var kinds = map[string]media.Kind{"audio": media.Audio, "video": media.Video, "text": media.Text}

func (p *parser) format(pt uint8) *codec.Format {
	for i := range p.stream.Formats {
		if p.stream.Formats[i].PT == pt {
			return &p.stream.Formats[i]
		}
	}
	return nil
}

func (p *parser) attribute(n int, value string) error {
	name, arg, _ := strings.Cut(value, ":")
	if name == extended && p.stream == nil {
		p.reports = value
	}
	if p.direct(name) || p.iceAttribute(name, arg) || p.secures(name, arg) || p.stream == nil {
		return nil
	}
	s := p.stream
	switch name {
	case "rtpmap":
		return p.rtpmap(n, arg)
	case "fmtp":
		if f, rest := p.about(arg); f != nil {
			f.Fmtp = rest
		}
	case "ptime":
		ms, _ := strconv.ParseFloat(strings.TrimSpace(arg), 64)
		if ms > 0 && ms <= 200 {
			s.Ptime = int(ms)
		}
	case "rtcp":
		p.rtcp(arg)
	case "rtcp-mux":
		s.Mux = true
	case "mid":
		if token(arg) && len(arg) <= maxMid {
			s.Mid = arg
		}
	case "rtcp-fb":
		p.feedback(arg)
	default:
		if passed[name] || s.Kind == media.Image && strings.HasPrefix(strings.ToUpper(name), "T38") {
			s.Passed = append(s.Passed, value)
		}
	}
	return nil
}

func (p *parser) direct(name string) bool {
	for d := media.Inactive; d <= media.SendRecv; d++ {
		if d.String() != name {
			continue
		}
		if p.stream == nil {
			p.direction = d
		} else {
			p.stream.Direction = d
		}
		return true
	}
	return false
}

// about splits "96 rest" and finds the format that it speaks of.
func (p *parser) about(arg string) (*codec.Format, string) {
	num, rest, _ := strings.Cut(strings.TrimSpace(arg), " ")
	pt, err := strconv.ParseUint(num, 10, 7)
	if err != nil {
		return nil, ""
	}
	return p.format(uint8(pt)), strings.TrimSpace(rest)
}

func (p *parser) rtpmap(n int, arg string) error {
	f, rest := p.about(arg)
	if f == nil {
		return nil // of a payload type that the m= line does not list
	}
	if !strings.Contains(rest, "/") {
		return nil // RFC 4475 has such lines in messages that all must take; the type stays what it is
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 2 || !token(parts[0]) {
		return malformed(n, "rtpmap %.40q wants name/clock", arg)
	}
	clock, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil || clock == 0 {
		return malformed(n, "rtpmap %.40q wants name/clock", arg)
	}
	f.Name, f.Clock, f.Channels = strings.ToLower(parts[0]), uint32(clock), 1
	if len(parts) > 2 {
		ch, err := strconv.ParseUint(parts[2], 10, 8)
		if err != nil || ch == 0 {
			return malformed(n, "rtpmap %.40q: channels", arg)
		}
		f.Channels = uint8(ch)
	}
	return nil
}

// token reports whether s is one (RFC 8866 9), as names of codecs are.
func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte("\"(),/:;<=>?@[\\]", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// rtcp reads "port [IN IP4 address]" (RFC 3605).
func (p *parser) rtcp(arg string) {
	f := strings.Fields(arg)
	if len(f) == 0 {
		return
	}
	port, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || port == 0 {
		return
	}
	addr := netip.Addr{}
	if len(f) == 4 {
		addr = address(f[3])
	}
	p.stream.RTCP = netip.AddrPortFrom(addr, uint16(port))
}

func (p *parser) feedback(arg string) {
	num, value, _ := strings.Cut(arg, " ")
	if num == "*" {
		p.stream.Feedback = append(p.stream.Feedback, media.Feedback{All: true, Value: strings.TrimSpace(value)})
	} else if f, rest := p.about(arg); f != nil {
		p.stream.Feedback = append(p.stream.Feedback, media.Feedback{PT: f.PT, Value: rest})
	}
}

// endStream settles what could come in any order within the stream.
func (p *parser) endStream() {
	s := p.stream
	p.stream = nil
	switch {
	case s == nil:
		return
	case s.Kind == media.Other || s.Kind == media.Image:
		s.Raw = p.listed
	default: // a dynamic payload type without rtpmap means nothing
		s.Formats = slices.DeleteFunc(s.Formats, func(f codec.Format) bool { return f.Name == "" })
		s.Feedback = slices.DeleteFunc(s.Feedback, func(fb media.Feedback) bool {
			return !fb.All && !slices.ContainsFunc(s.Formats, func(f codec.Format) bool { return f.PT == fb.PT })
		})
	}
	if s.Refused() || s.Kind != media.Other && s.Kind != media.Image && len(s.Formats) == 0 {
		*s = media.Stream{Kind: s.Kind, Name: s.Name, Proto: s.Proto, Raw: p.listed}
		return
	}
	if isExtended := func(a string) bool { return strings.HasPrefix(a, extended) }; p.reports != "" && s.Kind == media.Audio && !slices.ContainsFunc(s.Passed, isExtended) {
		s.Passed = append(s.Passed, p.reports)
	}
	s.ICE = p.settledICE(s.ICE)
	p.security.settle(s)
	if s.Holds() { // still sent
		s.Direction &^= media.RecvOnly
	}
	if s.RTCP.Port() != 0 && !s.RTCP.Addr().IsValid() {
		s.RTCP = netip.AddrPortFrom(s.RTP.Addr(), s.RTCP.Port())
	}
}
