//go:build cgo && g729

package g729

// #cgo LDFLAGS: -lbcg729 -lm
// #cgo noescape bcg729Encoder
// #cgo nocallback bcg729Encoder
// #cgo noescape bcg729Decoder
// #cgo nocallback bcg729Decoder
//
// #include <bcg729/decoder.h> // Debian: libbcg729-dev
// #include <bcg729/encoder.h>
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Rate is the number of samples a second; a frame has so many samples, and so
// many bytes of sound or of noise.
const (
	Rate         = 8000
	FrameSamples = 80
	FrameBytes   = 10
	NoiseBytes   = 2
)

var errMemory = errors.New("g729: no memory for the state of a stream")

// Encoder encodes one stream. It sends silence like sound: all receivers take
// that, and those without Annex B nothing else.
type Encoder struct {
	state *C.bcg729EncoderChannelContextStruct
}

// NewEncoder makes an encoder.
func NewEncoder() (*Encoder, error) {
	e := &Encoder{C.initBcg729EncoderChannel(0)}
	if e.state == nil {
		return nil, errMemory
	}
	runtime.AddCleanup(e, func(s *C.bcg729EncoderChannelContextStruct) { C.closeBcg729EncoderChannel(s) }, e.state)
	return e, nil
}

// Rate is the number of samples a second.
func (e *Encoder) Rate() int { return Rate }

// Frame is the number of samples of which every payload has a multiple.
func (e *Encoder) Frame() int { return FrameSamples }

// Encode writes 10 bytes for every 80 samples.
func (e *Encoder) Encode(dst []byte, pcm []int16) (int, error) {
	frames := len(pcm) / FrameSamples
	if frames == 0 || len(pcm)%FrameSamples != 0 {
		return 0, fmt.Errorf("g729: %d samples: give a multiple of %d", len(pcm), FrameSamples)
	}
	if len(dst) < frames*FrameBytes {
		return 0, fmt.Errorf("g729: room for %d bytes, need %d: give a longer buffer", len(dst), frames*FrameBytes)
	}
	for i := range frames {
		var size C.uint8_t // always FrameBytes, as noise is off
		C.bcg729Encoder(e.state, (*C.int16_t)(&pcm[i*FrameSamples]), (*C.uint8_t)(&dst[i*FrameBytes]), &size)
	}
	runtime.KeepAlive(e)
	return frames * FrameBytes, nil
}

// Decoder decodes one stream.
type Decoder struct {
	state *C.bcg729DecoderChannelContextStruct
	rest  [FrameSamples]int16 // a frame of which dst had no room for all
}

// NewDecoder makes a decoder.
func NewDecoder() (*Decoder, error) {
	d := &Decoder{state: C.initBcg729DecoderChannel()}
	if d.state == nil {
		return nil, errMemory
	}
	runtime.AddCleanup(d, func(s *C.bcg729DecoderChannelContextStruct) { C.closeBcg729DecoderChannel(s) }, d.state)
	return d, nil
}

// Rate is the number of samples a second.
func (d *Decoder) Rate() int { return Rate }

// Decode writes 80 samples for every frame of sound and for a last one of noise.
func (d *Decoder) Decode(dst []int16, payload []byte) (int, error) {
	sound, noise := len(payload)/FrameBytes, len(payload)%FrameBytes
	if len(payload) == 0 || noise != 0 && noise != NoiseBytes {
		return 0, fmt.Errorf("g729: payload of %d bytes: frames have %d, and a last one may have %d", len(payload), FrameBytes, NoiseBytes)
	}
	frames := sound + noise/NoiseBytes
	if len(dst) < frames*FrameSamples {
		return 0, fmt.Errorf("g729: room for %d samples, need %d: give a longer buffer", len(dst), frames*FrameSamples)
	}
	for i := range frames {
		d.frame(dst[i*FrameSamples:], payload[i*FrameBytes:min((i+1)*FrameBytes, len(payload))])
	}
	return frames * FrameSamples, nil
}

// frame decodes one frame; without bytes it makes one up.
func (d *Decoder) frame(dst []int16, code []byte) {
	var lost, noise C.uint8_t
	switch len(code) {
	case 0:
		lost = 1
	case NoiseBytes:
		noise = 1
	}
	data := (*C.uint8_t)(unsafe.SliceData(code))
	C.bcg729Decoder(d.state, data, C.uint8_t(len(code)), lost, noise, 0, (*C.int16_t)(&dst[0]))
	runtime.KeepAlive(d)
}

// Conceal makes up what was lost, or the noise that goes on (Annex B), as the
// Recommendation says (4.4); it fades out.
func (d *Decoder) Conceal(dst []int16) (int, error) {
	for at := 0; at < len(dst); at += FrameSamples {
		if len(dst)-at >= FrameSamples {
			d.frame(dst[at:], nil)
			continue
		}
		d.frame(d.rest[:], nil)
		copy(dst[at:], d.rest[:])
	}
	return len(dst), nil
}
