//go:build cgo

package speex

// #cgo LDFLAGS: -lspeex -lm
// #cgo noescape tincan_encode
// #cgo nocallback tincan_encode
// #cgo noescape tincan_decode
// #cgo nocallback tincan_decode
//
// #include <stdlib.h>
// #include <speex/speex.h> // Debian: libspeex-dev
//
// typedef struct { void *state; SpeexBits bits; } tincan_speex;
//
// static tincan_speex *tincan_encoder(int mode, int quality, int complexity, int narrow) {
//   tincan_speex *s = calloc(1, sizeof *s);
//   if (!s) return 0;
//   s->state = speex_encoder_init(speex_lib_get_mode(mode));
//   if (!s->state) { free(s); return 0; }
//   speex_bits_init(&s->bits);
//   speex_encoder_ctl(s->state, SPEEX_SET_QUALITY, &quality);
//   speex_encoder_ctl(s->state, SPEEX_SET_COMPLEXITY, &complexity);
//   if (narrow > 0) speex_encoder_ctl(s->state, SPEEX_SET_MODE, &narrow);
//   return s;
// }
//
// static tincan_speex *tincan_decoder(int mode) {
//   tincan_speex *s = calloc(1, sizeof *s);
//   if (!s) return 0;
//   s->state = speex_decoder_init(speex_lib_get_mode(mode));
//   if (!s->state) { free(s); return 0; }
//   speex_bits_init(&s->bits);
//   return s;
// }
//
// static void tincan_free_encoder(tincan_speex *s) {
//   speex_encoder_destroy(s->state); speex_bits_destroy(&s->bits); free(s);
// }
//
// static void tincan_free_decoder(tincan_speex *s) {
//   speex_decoder_destroy(s->state); speex_bits_destroy(&s->bits); free(s);
// }
//
// // tincan_encode gives the number of bytes, or of those it would need negated.
// static int tincan_encode(tincan_speex *s, const spx_int16_t *pcm, int frames, int frame,
//     char *out, int room) {
//   speex_bits_reset(&s->bits);
//   for (int i = 0; i < frames; i++)
//     speex_encode_int(s->state, (spx_int16_t *)pcm + i * frame, &s->bits);
//   speex_bits_insert_terminator(&s->bits);
//   int n = speex_bits_nbytes(&s->bits);
//   return n > room ? -n : speex_bits_write(&s->bits, out, room);
// }
//
// // tincan_decode gives the number of frames decoded; without data it makes them up.
// static int tincan_decode(tincan_speex *s, const char *data, int n, spx_int16_t *pcm,
//     int frames, int frame) {
//   if (data) speex_bits_read_from(&s->bits, data, n);
//   for (int i = 0; i < frames; i++)
//     if (speex_decode_int(s->state, data ? &s->bits : 0, pcm + i * frame))
//       return i;
//   return frames;
// }
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Quality and complexity of what is encoded: 15 kbit/s at 8 kHz, 28 at 16, 35 at
// 32, beyond which the ear gains little; the library's own complexity, as each
// further step costs a fifth more.
const (
	quality    = 8
	complexity = 2
)

// longest is how long a frame is at most, in samples.
const longest = 640

// band is one of the library's modes.
type band struct{ mode, rate, frame int }

// bandAt gives the mode for a rate; modes are numbered by their layers above
// the narrow band.
func bandAt(rate int) (band, error) {
	for layers, r := range [...]int{8000, 16000, 32000} {
		if r == rate {
			return band{layers, rate, rate / 50}, nil
		}
	}
	return band{}, fmt.Errorf("speex: rate of %d Hz: Speex has 8000, 16000 and 32000", rate)
}

// Rate is the number of samples a second.
func (b band) Rate() int { return b.rate }

// Frame is the number of samples of which every payload has a multiple: 20 ms.
func (b band) Frame() int { return b.frame }

var errMemory = errors.New("speex: no memory for the state of a stream")

// Encoder encodes one stream.
type Encoder struct {
	band
	state *C.tincan_speex
}

// NewEncoder makes an encoder for a rate of 8000, 16000 or 32000 Hz and for what the
// receiver asks for.
func NewEncoder(rate int, p Params) (*Encoder, error) {
	b, err := bandAt(rate)
	if err != nil {
		return nil, err
	}
	q, narrow := quality, 0
	switch {
	case p.Mode == NoMode:
	case rate == 8000:
		narrow = p.Mode
	default:
		q = p.Mode
	}
	e := &Encoder{b, C.tincan_encoder(C.int(b.mode), C.int(q), complexity, C.int(narrow))}
	if e.state == nil {
		return nil, errMemory
	}
	runtime.AddCleanup(e, func(s *C.tincan_speex) { C.tincan_free_encoder(s) }, e.state)
	return e, nil
}

// Encode makes a payload of one or more frames of 20 ms.
func (e *Encoder) Encode(dst []byte, pcm []int16) (int, error) {
	n := len(pcm) / e.frame
	if n == 0 || len(pcm)%e.frame != 0 {
		return 0, fmt.Errorf("speex: %d samples at %d Hz: give a multiple of %d", len(pcm), e.rate, e.frame)
	}
	if len(dst) == 0 {
		return 0, errors.New("speex: no room for a payload: give a longer buffer")
	}
	size := int(C.tincan_encode(e.state, (*C.spx_int16_t)(&pcm[0]), C.int(n), C.int(e.frame),
		(*C.char)(unsafe.Pointer(&dst[0])), C.int(len(dst))))
	runtime.KeepAlive(e)
	if size < 0 {
		return 0, fmt.Errorf("speex: room for %d bytes, need %d: give a longer buffer", len(dst), -size)
	}
	return size, nil
}

// Decoder decodes one stream.
type Decoder struct {
	band
	state *C.tincan_speex
	rest  [longest]int16 // a frame of which dst had no room for all
}

// NewDecoder makes a decoder for a rate of 8000, 16000 or 32000 Hz. It hears
// streams of the other rates too.
func NewDecoder(rate int) (*Decoder, error) {
	b, err := bandAt(rate)
	if err != nil {
		return nil, err
	}
	d := &Decoder{band: b, state: C.tincan_decoder(C.int(b.mode))}
	if d.state == nil {
		return nil, errMemory
	}
	runtime.AddCleanup(d, func(s *C.tincan_speex) { C.tincan_free_decoder(s) }, d.state)
	return d, nil
}

// Decode decodes all frames of a payload. It errs, and the stream stays as it
// was, when one of them is damaged.
func (d *Decoder) Decode(dst []int16, payload []byte) (int, error) {
	n, err := frames(payload, d.mode)
	if err != nil {
		return 0, err
	}
	if len(dst) < n*d.frame {
		return 0, fmt.Errorf("speex: room for %d samples, need %d: give a longer buffer", len(dst), n*d.frame)
	}
	return d.decode(dst, payload, n)
}

func (d *Decoder) decode(dst []int16, payload []byte, frames int) (int, error) {
	data := (*C.char)(unsafe.Pointer(unsafe.SliceData(payload)))
	n := int(C.tincan_decode(d.state, data, C.int(len(payload)),
		(*C.spx_int16_t)(&dst[0]), C.int(frames), C.int(d.frame)))
	runtime.KeepAlive(d)
	if n < frames {
		return n * d.frame, fmt.Errorf("speex: frame %d of %d cannot be decoded", n, frames)
	}
	return n * d.frame, nil
}

// Conceal makes up what was lost, by libspeex's extrapolation; it fades out.
func (d *Decoder) Conceal(dst []int16) (int, error) {
	n := len(dst) / d.frame
	if n > 0 {
		if got, err := d.decode(dst, nil, n); err != nil {
			return got, err
		}
	}
	if whole := n * d.frame; whole < len(dst) {
		if _, err := d.decode(d.rest[:], nil, 1); err != nil {
			return whole, err
		}
		copy(dst[whole:], d.rest[:])
	}
	return len(dst), nil
}
