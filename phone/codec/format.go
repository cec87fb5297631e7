package codec

import (
	"fmt"
	"strings"
)

// Names of payload formats that are not sound, as SDP writes them in lower
// case.
const (
	TelephoneEvent = "telephone-event" // RFC 4733: digits
	ComfortNoise   = "cn"              // RFC 3389
)

// Format is one payload format as agreed with a party. It is a value:
// comparable, copied freely.
type Format struct {
	// PT is the payload type number, 0 to 127, in that party's numbering.
	PT uint8
	// Name is the SDP encoding name in lower case: "pcmu".
	Name string
	// Clock is the number of RTP ticks per second. It is not always the
	// sample rate: G.722 has 8000 here and 16000 samples (RFC 3551 4.5.2).
	Clock uint32
	// Channels is 1 when the description did not say.
	Channels uint8
	// Fmtp holds the format's parameters as written in a=fmtp.
	Fmtp string
}

// String gives the format as SDP names it: "opus/48000/2".
func (f Format) String() string {
	if f.Channels > 1 {
		return fmt.Sprintf("%s/%d/%d", f.Name, f.Clock, f.Channels)
	}
	return fmt.Sprintf("%s/%d", f.Name, f.Clock)
}

// Sound tells whether the format carries sound, rather than digits or a
// description of the silence between.
func (f Format) Sound() bool {
	return f.Name != TelephoneEvent && f.Name != ComfortNoise
}

// Same tells whether payloads of f can be handed on as payloads of o: the same
// codec with the same clock and channels. Payload types are not compared, and
// of the parameters only those without which a receiver cannot decode.
func (f Format) Same(o Format) bool {
	if f.Name != o.Name || f.Clock != o.Clock || channels(f) != channels(o) {
		return false
	}
	for _, p := range decisive(f.Name) {
		if f.parameter(p) != o.parameter(p) {
			return false
		}
	}
	return true
}

func channels(f Format) uint8 { return max(f.Channels, 1) }

// deciding is a parameter of a=fmtp that makes two streams of one codec
// unreadable to each other.
type deciding struct {
	name     string
	absent   string // what it means when not written
	prefix   int    // compare only so many characters; 0: all
	caseless bool
}

// decisive lists the parameters that decide for a codec, with the RFC that
// gives the default.
func decisive(codec string) []deciding {
	switch codec {
	case "h264": // RFC 6184 8.1: profile_idc and profile-iop, not the level
		return []deciding{
			{name: "packetization-mode", absent: "0"},
			{name: "profile-level-id", absent: "420010", prefix: 4, caseless: true},
		}
	case "vp9": // RFC 9628 7
		return []deciding{{name: "profile-id", absent: "0"}}
	case "amr", "amr-wb": // RFC 4867 8.1
		return []deciding{{name: "octet-align", absent: "0"}}
	case "ilbc": // RFC 3952 5
		return []deciding{{name: "mode", absent: "30"}}
	case "g7221": // RFC 5577 4.1: has no default
		return []deciding{{name: "bitrate"}}
	}
	return nil
}

func (f Format) parameter(d deciding) string {
	value := d.absent
	for part := range strings.SplitSeq(f.Fmtp, ";") {
		name, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if ok && strings.EqualFold(name, d.name) {
			value = v
		}
	}
	if d.caseless {
		value = strings.ToLower(value)
	}
	if d.prefix > 0 && len(value) > d.prefix {
		value = value[:d.prefix]
	}
	return value
}
