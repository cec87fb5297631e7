package frame

import (
	"fmt"
	"math/bits"
	"strings"

	"tincan/phone/codec"
)

// Format is a set of media formats, one bit each (8.7). In a voice frame it
// holds one. The upper 32 bits are not in the RFC and travel in the elements
// FORMAT2 and CAPABILITY2 alone.
type Format uint64

const (
	G723       Format = 1 << 0
	GSM        Format = 1 << 1
	PCMU       Format = 1 << 2
	PCMA       Format = 1 << 3
	G726AAL2   Format = 1 << 4 // G.726 in the order of bits of AAL2
	ADPCM      Format = 1 << 5 // IMA
	L16        Format = 1 << 6 // 16 bits, 8000 samples a second, big-endian
	LPC10      Format = 1 << 7
	G729       Format = 1 << 8
	Speex      Format = 1 << 9
	ILBC       Format = 1 << 10
	G726       Format = 1 << 11 // in the order of bits of RFC 3551
	G722       Format = 1 << 12
	Siren7     Format = 1 << 13 // G.722.1 at 32 kbit/s
	Siren14    Format = 1 << 14 // G.722.1 annex C at 48 kbit/s
	L16Wide    Format = 1 << 15 // 16 bits, 16000 samples a second; Asterisk sends it in its machine's order of bytes
	JPEG       Format = 1 << 16
	PNG        Format = 1 << 17
	H261       Format = 1 << 18
	H263       Format = 1 << 19
	H263Plus   Format = 1 << 20
	H264       Format = 1 << 21
	MPEG4      Format = 1 << 22
	VP8        Format = 1 << 23
	RedundText Format = 1 << 26 // T.140 with redundancy, RFC 4103
	T140       Format = 1 << 27
	G719       Format = 1 << 32
	SpeexWide  Format = 1 << 33 // 16000 samples a second
	Opus       Format = 1 << 34
)

// Sounds are the formats of sound, Pictures those of moving pictures.
const (
	Sounds   Format = 0xffff | G719 | SpeexWide | Opus
	Pictures Format = H261 | H263 | H263Plus | H264 | MPEG4 | VP8
)

// Has tells whether all of o are in f.
func (f Format) Has(o Format) bool { return f&o == o }

// Single tells whether f is one format.
func (f Format) Single() bool { return bits.OnesCount64(uint64(f)) == 1 }

// All gives the formats of the set one by one, the lowest bit first.
func (f Format) All() []Format {
	all := make([]Format, 0, bits.OnesCount64(uint64(f)))
	for ; f != 0; f &= f - 1 {
		all = append(all, 1<<bits.TrailingZeros64(uint64(f)))
	}
	return all
}

// String names the formats: "g722", "opus,pcma".
func (f Format) String() string {
	var names []string
	for _, one := range f.All() {
		names = append(names, one.name())
	}
	return strings.Join(names, ",")
}

func (f Format) name() string {
	for _, k := range known {
		if k.format == f {
			return k.name
		}
	}
	return fmt.Sprintf("bit%d", bits.TrailingZeros64(uint64(f)))
}

// Codec gives what a single format is called elsewhere in the program, with
// the payload type that RFC 3551 gives it, else one of the dynamic ones, the
// same as codec.Offered uses. It is false where nobody else has a name for it.
func (f Format) Codec() (codec.Format, bool) {
	for _, k := range known {
		if k.format == f && k.codec.Name != "" {
			return k.codec, true
		}
	}
	return codec.Format{}, false
}

// FormatOf gives the bit of a codec; false if IAX2 cannot name it.
func FormatOf(c codec.Format) (Format, bool) {
	for _, k := range known {
		if k.codec.Name != "" && k.codec.Same(c) {
			return k.format, true
		}
	}
	return 0, false
}

// known are the formats that have a name. It is never written to.
var known = []struct {
	format Format
	name   string
	codec  codec.Format // without a Name: IAX2 alone knows it
}{
	{Opus, "opus", codec.Format{PT: 96, Name: "opus", Clock: 48000, Channels: 2}},
	{G722, "g722", codec.Format{PT: 9, Name: "g722", Clock: 8000, Channels: 1}},
	{PCMA, "pcma", codec.Format{PT: 8, Name: "pcma", Clock: 8000, Channels: 1}},
	{PCMU, "pcmu", codec.Format{PT: 0, Name: "pcmu", Clock: 8000, Channels: 1}},
	{GSM, "gsm", codec.Format{PT: 3, Name: "gsm", Clock: 8000, Channels: 1}},
	{SpeexWide, "speex16", codec.Format{PT: 97, Name: "speex", Clock: 16000, Channels: 1}},
	{Speex, "speex", codec.Format{PT: 98, Name: "speex", Clock: 8000, Channels: 1}},
	{G729, "g729", codec.Format{PT: 18, Name: "g729", Clock: 8000, Channels: 1}},
	{L16, "l16", codec.Format{PT: 99, Name: "l16", Clock: 8000, Channels: 1}},
	{L16Wide, "l16-16", codec.Format{PT: 100, Name: "l16", Clock: 16000, Channels: 1}},
	{G723, "g723", codec.Format{PT: 4, Name: "g723", Clock: 8000, Channels: 1}},
	{G726, "g726", codec.Format{PT: 101, Name: "g726-32", Clock: 8000, Channels: 1}},
	{G726AAL2, "g726-aal2", codec.Format{PT: 102, Name: "aal2-g726-32", Clock: 8000, Channels: 1}},
	{ILBC, "ilbc", codec.Format{PT: 103, Name: "ilbc", Clock: 8000, Channels: 1, Fmtp: "mode=30"}},
	{Siren7, "siren7", codec.Format{PT: 104, Name: "g7221", Clock: 16000, Channels: 1, Fmtp: "bitrate=32000"}},
	{Siren14, "siren14", codec.Format{PT: 105, Name: "g7221", Clock: 32000, Channels: 1, Fmtp: "bitrate=48000"}},
	{G719, "g719", codec.Format{PT: 106, Name: "g719", Clock: 48000, Channels: 1}},
	{LPC10, "lpc10", codec.Format{}}, // RTP's "lpc" is another codec
	{ADPCM, "adpcm", codec.Format{}}, // RTP's "dvi4" begins with a header
	{H261, "h261", codec.Format{PT: 31, Name: "h261", Clock: 90000, Channels: 1}},
	{H263, "h263", codec.Format{PT: 34, Name: "h263", Clock: 90000, Channels: 1}},
	{H263Plus, "h263+", codec.Format{PT: 107, Name: "h263-1998", Clock: 90000, Channels: 1}},
	{H264, "h264", codec.Format{PT: 108, Name: "h264", Clock: 90000, Channels: 1}},
	{MPEG4, "mpeg4", codec.Format{PT: 109, Name: "mp4v-es", Clock: 90000, Channels: 1}},
	{VP8, "vp8", codec.Format{PT: 110, Name: "vp8", Clock: 90000, Channels: 1}},
	{JPEG, "jpeg", codec.Format{}},
	{PNG, "png", codec.Format{}},
	{T140, "t140", codec.Format{}},
	{RedundText, "red", codec.Format{}},
}
