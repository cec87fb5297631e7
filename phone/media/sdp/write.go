package sdp

import (
	"net/netip"
	"strconv"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// Write gives the description as text. Each stream's RTP is where it is to be
// received; the session's address is the origin's. What came from a stranger
// stays within its line.
func Write(d media.Description, o Origin) []byte {
	w := make(writer, 0, 640)
	w.add("v=0\r\no=- ", strconv.FormatUint(o.ID, 10), " ", strconv.FormatUint(o.Version, 10), " ")
	w.address(o.Addr)
	w.add("\r\ns=-\r\nc=")
	w.address(o.Addr)
	w.add("\r\nt=0 0\r\n")
	allLite := lite(d)
	if allLite {
		w.add("a=ice-lite\r\n")
	}
	for i := range d.Streams {
		w.stream(&d.Streams[i], o.Addr, allLite)
	}
	return w
}

type writer []byte

func (w *writer) add(parts ...string) {
	for _, s := range parts {
		*w = append(*w, s...)
	}
}

func (w *writer) number(n uint64) { *w = strconv.AppendUint(*w, n, 10) }

// text writes a value that a party gave: whatever it holds, it ends no line
// (RFC 8866 9, byte-string).
func (w *writer) text(s string) {
	for i := range len(s) {
		if c := s[i]; c == '\r' || c == '\n' || c == 0 {
			*w = append(*w, ' ')
		} else {
			*w = append(*w, c)
		}
	}
}

// nowhere is written where no address is known: a name that never resolves
// (RFC 6157 5.1.2 has it for IPv6).
const nowhere = "IN IP4 unknown.invalid"

func (w *writer) address(a netip.Addr) {
	switch {
	case !a.IsValid():
		w.add(nowhere)
	case a.Is4() || a.Is4In6():
		w.add("IN IP4 ")
		*w = a.Unmap().AppendTo(*w)
	default:
		w.add("IN IP6 ")
		*w = a.WithZone("").AppendTo(*w)
	}
}

func (w *writer) stream(s *media.Stream, session netip.Addr, lite bool) {
	name := s.Name
	if name == "" {
		name = s.Kind.String()
	}
	proto := s.Proto
	if proto == "" {
		proto = "RTP/AVP"
	}
	w.add("m=")
	w.text(name)
	w.add(" ")
	w.number(uint64(s.RTP.Port()))
	w.add(" ")
	w.text(proto)
	w.list(s)
	w.add("\r\n")
	if s.Refused() {
		return
	}
	if a := s.RTP.Addr(); a != session {
		w.add("c=")
		w.address(a)
		w.add("\r\n")
	}
	w.attributes(s)
	w.ice(s.ICE, lite)
}

func (w *writer) list(s *media.Stream) {
	for _, f := range s.Formats {
		w.add(" ")
		w.number(uint64(f.PT))
	}
	for _, r := range s.Raw {
		w.add(" ")
		w.text(r)
	}
	if len(s.Formats)+len(s.Raw) == 0 {
		w.add(" ", noFormat)
	}
}

func (w *writer) attributes(s *media.Stream) {
	for _, f := range s.Formats {
		w.rtpmap(f)
	}
	for _, fb := range s.Feedback {
		w.add("a=rtcp-fb:")
		if fb.All {
			w.add("*")
		} else {
			w.number(uint64(fb.PT))
		}
		w.add(" ")
		w.text(fb.Value)
		w.add("\r\n")
	}
	if s.Ptime > 0 {
		w.add("a=ptime:")
		w.number(uint64(s.Ptime))
		w.add("\r\n")
	}
	if s.RTCP.Port() != 0 { // with mux too: for who does not know it (RFC 5761 5.1.3)
		w.add("a=rtcp:")
		w.number(uint64(s.RTCP.Port()))
		if a := s.RTCP.Addr(); a.IsValid() && a != s.RTP.Addr() {
			w.add(" ")
			w.address(a)
		}
		w.add("\r\n")
	}
	if s.Mux {
		w.add("a=rtcp-mux\r\n")
	}
	if s.Mid != "" {
		w.add("a=mid:")
		w.text(s.Mid)
		w.add("\r\n")
	}
	w.security(s)
	for _, a := range s.Passed {
		w.add("a=")
		w.text(a)
		w.add("\r\n")
	}
	w.add("a=", s.Direction.String(), "\r\n")
}

func (w *writer) rtpmap(f codec.Format) {
	w.add("a=rtpmap:")
	w.number(uint64(f.PT))
	w.add(" ")
	w.encoding(f.Name)
	w.add("/")
	w.number(uint64(f.Clock))
	if f.Channels > 1 {
		w.add("/")
		w.number(uint64(f.Channels))
	}
	w.add("\r\n")
	if f.Fmtp != "" {
		w.add("a=fmtp:")
		w.number(uint64(f.PT))
		w.add(" ")
		w.text(f.Fmtp)
		w.add("\r\n")
	}
}

// encoding spells a codec's name as most phones do; the comparison is without
// case (RFC 4855 3), but not in every phone.
func (w *writer) encoding(name string) {
	from := len(*w)
	w.text(name)
	switch name {
	case "opus", "telephone-event", "speex", "red", "t140", "ulpfec", "rtx":
		return
	}
	for i, c := range (*w)[from:] {
		if 'a' <= c && c <= 'z' {
			(*w)[from+i] = c - 'a' + 'A'
		}
	}
}
