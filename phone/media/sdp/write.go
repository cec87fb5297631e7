package sdp

import (
	"net/netip"
	"strconv"
	"strings"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// Write gives the description as text. Each stream's RTP is where it is to be
// received; the session's address is the origin's.
func Write(d media.Description, o Origin) []byte {
	w := make(writer, 0, 640)
	w.add("v=0\r\no=- ", strconv.FormatUint(o.ID, 10), " ", strconv.FormatUint(o.Version, 10), " ")
	w.address(o.Addr)
	w.add("\r\ns=-\r\nc=")
	w.address(o.Addr)
	w.add("\r\nt=0 0\r\n")
	for i := range d.Streams {
		w.stream(&d.Streams[i], o.Addr)
	}
	return w
}

type writer []byte

func (w *writer) add(parts ...string) {
	for _, s := range parts {
		*w = append(*w, s...)
	}
}

func (w *writer) int(n int) { *w = strconv.AppendInt(*w, int64(n), 10) }

func (w *writer) address(a netip.Addr) {
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	if a.Is4() || a.Is4In6() {
		w.add("IN IP4 ", a.Unmap().String())
	} else {
		w.add("IN IP6 ", a.WithZone("").String())
	}
}

func (w *writer) stream(s *media.Stream, session netip.Addr) {
	name := s.Name
	if name == "" {
		name = s.Kind.String()
	}
	proto := s.Proto
	if proto == "" {
		proto = "RTP/AVP"
	}
	w.add("m=", name, " ")
	w.int(int(s.RTP.Port()))
	w.add(" ", proto)
	w.list(s)
	w.add("\r\n")
	if s.Refused() {
		return
	}
	if a := s.RTP.Addr(); a.IsValid() && a != session {
		w.add("c=")
		w.address(a)
		w.add("\r\n")
	}
	w.attributes(s)
}

func (w *writer) list(s *media.Stream) {
	for _, f := range s.Formats {
		w.add(" ")
		w.int(int(f.PT))
	}
	for _, r := range s.Raw {
		w.add(" ", r)
	}
	if len(s.Formats)+len(s.Raw) == 0 {
		w.add(" 0") // the grammar wants one even on a refused line
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
			w.int(int(fb.PT))
		}
		w.add(" ", fb.Value, "\r\n")
	}
	if s.Ptime > 0 {
		w.add("a=ptime:")
		w.int(s.Ptime)
		w.add("\r\n")
	}
	if s.RTCP.Port() != 0 && !s.Mux {
		w.add("a=rtcp:")
		w.int(int(s.RTCP.Port()))
		if a := s.RTCP.Addr(); a.IsValid() && a != s.RTP.Addr() {
			w.add(" ")
			w.address(a)
		}
		w.add("\r\n")
	}
	if s.Mux {
		w.add("a=rtcp-mux\r\n")
	}
	for _, a := range s.Passed {
		w.add("a=", a, "\r\n")
	}
	w.add("a=", s.Direction.String(), "\r\n")
}

func (w *writer) rtpmap(f codec.Format) {
	w.add("a=rtpmap:")
	w.int(int(f.PT))
	w.add(" ", encodingName(f.Name), "/")
	w.int(int(f.Clock))
	if f.Channels > 1 {
		w.add("/")
		w.int(int(f.Channels))
	}
	w.add("\r\n")
	if f.Fmtp != "" {
		w.add("a=fmtp:")
		w.int(int(f.PT))
		w.add(" ", f.Fmtp, "\r\n")
	}
}

// encodingName spells a codec's name as most phones do; the comparison is
// without case (RFC 4855 3), but not in every phone.
func encodingName(name string) string {
	switch name {
	case "opus", "telephone-event", "speex", "red", "t140", "ulpfec", "rtx":
		return name
	}
	return strings.ToUpper(name)
}
