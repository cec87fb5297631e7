package file

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"tincan/phone/codec"
)

// rawFormat is what is known of a file without a header by its ending.
type rawFormat struct {
	format codec.Format
	frame  int // bytes of one payload
}

// rawFormats are Asterisk's endings, and sox's.
func rawFormats(ending string) (rawFormat, bool) {
	named := func(name string, frame int) (rawFormat, bool) {
		return rawFormat{codec.Format{Name: name, Clock: 8000, Channels: 1}, frame}, true
	}
	switch ending {
	case ".ulaw", ".ul", ".mu", ".pcm":
		return named("pcmu", 160)
	case ".alaw", ".al":
		return named("pcma", 160)
	case ".g722":
		return named("g722", 160)
	case ".gsm":
		return named("gsm", 33)
	}
	return rawFormat{}, false
}

// linearRate gives the rate of Asterisk's endings for bare samples, or 0.
func linearRate(ending string) int {
	switch ending {
	case ".sln", ".slin", ".raw", ".sln8":
		return 8000
	case ".sln16", ".slin16":
		return 16000
	case ".sln24":
		return 24000
	case ".sln32":
		return 32000
	case ".sln44":
		return 44100
	case ".sln48", ".slin48":
		return 48000
	}
	return 0
}

func newRaw(in input) (Reader, error) {
	ending := strings.ToLower(filepath.Ext(in.name))
	if rate := linearRate(ending); rate > 0 {
		return &linear{in: in, rate: rate, samples: samples{bits: 16, channels: 1}, left: -1}, nil
	}
	raw, ok := rawFormats(ending)
	if !ok {
		return nil, in.wrong("%w: WAV, Ogg Opus and MP3 are, and .ulaw, .alaw, .g722, .gsm and .sln by their names", ErrFormat)
	}
	d, err := codec.NewDecoder(raw.format)
	if err != nil {
		return nil, in.wrong("%w", err)
	}
	return &payloads{in: in, decoder: d, frame: make([]byte, raw.frame), decoded: make([]int16, 2*160)}, nil
}

// payloads reads bare payloads of a codec.
type payloads struct {
	in      input
	decoder codec.Decoder
	frame   []byte
	decoded []int16
	rest    []int16 // of decoded
}

func (r *payloads) Rate() int    { return r.decoder.Rate() }
func (r *payloads) Close() error { return r.in.Close() }

func (r *payloads) Read(pcm []int16) (n int, err error) {
	for n < len(pcm) {
		if len(r.rest) == 0 {
			if err := r.next(); err != nil {
				return n, err
			}
		}
		k := copy(pcm[n:], r.rest)
		n, r.rest = n+k, r.rest[k:]
	}
	return n, nil
}

// next decodes a payload; the last may be shorter, where the codec knows one.
func (r *payloads) next() error {
	n, err := io.ReadFull(r.in, r.frame)
	if n == 0 {
		return err
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return r.in.wrong("%w", err)
	}
	samples, err := r.decoder.Decode(r.decoded, r.frame[:n])
	if err != nil {
		return r.in.wrong("%w: its last frame has %d bytes", ErrCut, n)
	}
	r.rest = r.decoded[:samples]
	return nil
}
