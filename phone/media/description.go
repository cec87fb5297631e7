package media

import (
	"net/netip"
	"slices"

	"tincan/phone/codec"
	"tincan/phone/media/secure"
)

// Kind is what a stream carries.
type Kind uint8

// The kinds that are relayed; Other is answered with port 0.
const (
	Other Kind = iota
	Audio
	Video
	Text
	Image // fax by T.38 over UDPTL: datagrams that are handed on as they are
)

// String gives the media name of SDP (RFC 8866 5.14).
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	case Text:
		return "text"
	case Image:
		return "image"
	}
	return "other"
}

// Direction says what the party that described the stream does with it
// (RFC 8866 6.7): a set of Send and Recv.
type Direction uint8

// Directions, seen from the party.
const (
	Inactive Direction = 0
	SendOnly Direction = 1
	RecvOnly Direction = 2
	SendRecv           = SendOnly | RecvOnly
)

// Reverse gives the direction seen from the other end.
func (d Direction) Reverse() Direction { return d&SendOnly<<1 | d&RecvOnly>>1 }

// String gives the SDP attribute.
func (d Direction) String() string {
	return [...]string{"inactive", "sendonly", "recvonly", "sendrecv"}[d&SendRecv]
}

// Feedback is an rtcp-fb attribute (RFC 4585 4.2): what is reported back for
// a payload type, or for all of them when All is set.
type Feedback struct {
	PT    uint8
	All   bool
	Value string
}

// Stream is one line of media as one party described it, whatever the
// protocol that carried the description.
type Stream struct {
	Kind      Kind
	Name      string         // media name as written, for lines of kind Other
	Proto     string         // RTP/AVP, RTP/AVPF, udptl, ...
	RTP       netip.AddrPort // where the party receives; port 0: the line is refused
	RTCP      netip.AddrPort // zero: the port after RTP's
	Mux       bool           // RTCP comes on the RTP port (RFC 5761)
	Direction Direction
	Formats   []codec.Format // in the party's order of preference
	Raw       []string       // formats as written, of a line that is refused, not relayed or an Image
	Ptime     int            // ms a packet; 0: not said
	Feedback  []Feedback
	// Passed are the attributes that concern the two ends alone and are handed
	// on as they came (zrtp-hash, framerate, imageattr, content, label).
	Passed []string
	Mid    string // the line's name (RFC 5888)
	ICE    *ICE   // nil: the party does not speak it

	// How media can be secured: keys (SDES), or who proves himself in a handshake
	// (DTLS-SRTP), and who begins it: "active", "passive", "actpass" or "".
	Crypto       []secure.Crypto
	Fingerprints []secure.Fingerprint
	Setup        string
}

// Unkeyed is the description without what secures its media, which concerns one
// party and the server alone.
func (d Description) Unkeyed() Description {
	out := Description{Streams: slices.Clone(d.Streams)}
	for i := range out.Streams {
		s := &out.Streams[i]
		s.Crypto, s.Fingerprints, s.Setup = nil, nil, ""
	}
	return out
}

// Refused reports whether the line carries nothing.
func (s *Stream) Refused() bool { return s.RTP.Port() == 0 }

// Voice gives the formats that carry sound, without events and comfort noise.
func (s *Stream) Voice() []codec.Format {
	return slices.DeleteFunc(slices.Clone(s.Formats), Auxiliary)
}

// Auxiliary reports whether a format only ever comes beside a codec:
// telephone events (RFC 4733) and comfort noise (RFC 3389).
func Auxiliary(f codec.Format) bool { return f.Name == "telephone-event" || f.Name == "cn" }

// Description is an offer or an answer: the streams in their order, which
// offer and answer share (RFC 3264 6).
type Description struct {
	Streams []Stream
}

// Stream gives the first accepted stream of a kind, or nil.
func (d *Description) Stream(k Kind) *Stream {
	for i := range d.Streams {
		if d.Streams[i].Kind == k && !d.Streams[i].Refused() {
			return &d.Streams[i]
		}
	}
	return nil
}

// Codec names the sound codec that d prefers, or "".
func (d *Description) Codec() string {
	if s := d.Stream(Audio); s != nil {
		if v := s.Voice(); len(v) > 0 {
			return v[0].Name
		}
	}
	return ""
}
