package file

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"tincan/phone/codec"
)

// Format tags of a WAV file.
const (
	wavPCM        = 1
	wavFloat      = 3
	wavALaw       = 6
	wavMuLaw      = 7
	wavExtensible = 0xfffe
)

// Bounds of what a WAV header may say.
const (
	leastRate, mostRate = 4000, 192_000
	mostChannels        = 8
	mostFormatChunk     = 1 << 10
)

// newWAV reads the chunks before the sound.
func newWAV(in input) (Reader, error) {
	if _, err := in.Discard(sniffed); err != nil {
		return nil, in.wrong("%w", err)
	}
	var format []byte
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, in.wrong("%w: the WAV file has no sound in it", ErrFormat)
		}
		name, size := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
		switch name {
		case "data":
			return wavData(in, format, size)
		case "fmt ":
			if size < 16 || size > mostFormatChunk {
				return nil, in.wrong("%w: a WAV format of %d bytes", ErrFormat, size)
			}
			format = make([]byte, size)
			if _, err := io.ReadFull(in, format); err != nil {
				return nil, in.wrong("%w", ErrCut)
			}
			size &= 1 // what pads it
		default:
			size += size & 1
		}
		if _, err := io.CopyN(io.Discard, in, size); err != nil {
			return nil, in.wrong("%w", ErrCut)
		}
	}
}

// wavData makes the reader for the sound that a format describes. A length of 0
// or of all ones is that of a file whose writer did not come to its end.
func wavData(in input, format []byte, size int64) (Reader, error) {
	if format == nil {
		return nil, in.wrong("%w: the WAV file does not say what it holds", ErrFormat)
	}
	tag, bits := binary.LittleEndian.Uint16(format), int(binary.LittleEndian.Uint16(format[14:]))
	if tag == wavExtensible && len(format) >= 26 {
		tag = binary.LittleEndian.Uint16(format[24:])
	}
	s := samples{bits: bits, channels: int(binary.LittleEndian.Uint16(format[2:]))}
	rate := int(binary.LittleEndian.Uint32(format[4:]))
	switch {
	case tag == wavPCM && (bits == 8 || bits == 16 || bits == 24 || bits == 32):
	case tag == wavFloat && (bits == 32 || bits == 64):
		s.float = true
	case (tag == wavALaw || tag == wavMuLaw) && bits == 8:
		name := map[uint16]string{wavALaw: "pcma", wavMuLaw: "pcmu"}[tag]
		law, err := codec.NewDecoder(codec.Format{Name: name, Clock: 8000, Channels: 1})
		if err != nil {
			return nil, in.wrong("%w", err)
		}
		s.law = law
	default:
		return nil, in.wrong("%w: WAV of kind %d with %d bits; PCM, float, u-law and A-law are", ErrFormat, tag, bits)
	}
	if rate < leastRate || rate > mostRate || s.channels < 1 || s.channels > mostChannels {
		return nil, in.wrong("%w: WAV of %d channels at %d Hz", ErrFormat, s.channels, rate)
	}
	if size == 0 || size == math.MaxUint32 {
		size = -1
	}
	return &linear{in: in, rate: rate, samples: s, left: size}, nil
}

// samples says how sound is written.
type samples struct {
	bits, channels int
	float          bool
	law            codec.Decoder // of 8 bits, or nil
}

func (s *samples) frame() int { return s.bits / 8 * s.channels }

// one reads a sample.
func (s *samples) one(b []byte) int32 {
	switch {
	case s.law != nil:
		var pcm [1]int16
		_, _ = s.law.Decode(pcm[:], b[:1]) // one byte is one sample
		return int32(pcm[0])
	case s.float && s.bits == 32:
		return scaled(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	case s.float:
		return scaled(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case s.bits == 8:
		return (int32(b[0]) - 128) << 8
	}
	return int32(int16(binary.LittleEndian.Uint16(b[s.bits/8-2:]))) // the upper 16 bits
}

// scaled turns -1 to 1 to a sample; what is no number is silence.
func scaled(v float64) int32 {
	if math.IsNaN(v) {
		return 0
	}
	return int32(math.Round(max(min(v, 1), -1) * math.MaxInt16))
}

// linear reads samples as they stand, mixed to one channel.
type linear struct {
	in      input
	rate    int
	samples samples
	left    int64 // bytes; -1: up to the end
	buf     []byte
}

func (r *linear) Rate() int    { return r.rate }
func (r *linear) Close() error { return r.in.Close() }

func (r *linear) Read(pcm []int16) (int, error) {
	frame := r.samples.frame()
	want := len(pcm) * frame
	if r.left >= 0 {
		want = int(min(int64(want), r.left))
	}
	if want < frame {
		return 0, io.EOF
	}
	if cap(r.buf) < want {
		r.buf = make([]byte, want)
	}
	got, err := io.ReadFull(r.in, r.buf[:want])
	if r.left >= 0 {
		r.left -= int64(got)
	}
	n := got / frame
	for i := range n {
		pcm[i] = r.mixed(r.buf[i*frame:])
	}
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return n, r.in.wrong("%w", err)
	case r.left > 0:
		return n, r.in.wrong("%w: %d bytes lack", ErrCut, r.left)
	}
	return n, io.EOF
}

func (r *linear) mixed(b []byte) int16 {
	sum, width := int32(0), r.samples.bits/8
	for c := range r.samples.channels {
		sum += r.samples.one(b[c*width:])
	}
	return int16(sum / int32(r.samples.channels))
}
