//go:build cgo

package gsm

// #cgo LDFLAGS: -lgsm
// #cgo noescape gsm_encode
// #cgo nocallback gsm_encode
// #cgo noescape gsm_decode
// #cgo nocallback gsm_decode
//
// #include <gsm.h> // Debian: libgsm1-dev
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Rate is the number of samples a second; FrameSamples and FrameBytes are the
// sizes of one frame.
const (
	Rate         = 8000
	FrameSamples = 160
	FrameBytes   = 33
)

// magic is the upper half of each frame's first byte.
const magic = 0xd

var errMemory = errors.New("gsm: no memory for the state of a stream")

// newState gives the library's memory, which is freed once owner is garbage.
func newState[T any](owner *T) (C.gsm, error) {
	state := C.gsm_create()
	if state == nil {
		return nil, errMemory
	}
	runtime.AddCleanup(owner, func(s C.gsm) { C.gsm_destroy(s) }, state)
	return state, nil
}

// Encoder encodes one stream.
type Encoder struct{ state C.gsm }

// NewEncoder makes an encoder.
func NewEncoder() (*Encoder, error) {
	e := &Encoder{}
	var err error
	e.state, err = newState(e)
	return e, err
}

// Rate is the number of samples a second.
func (e *Encoder) Rate() int { return Rate }

// Frame is the number of samples of which every payload has a multiple.
func (e *Encoder) Frame() int { return FrameSamples }

// Encode writes 33 bytes for every 160 samples.
func (e *Encoder) Encode(dst []byte, pcm []int16) (int, error) {
	frames := len(pcm) / FrameSamples
	if frames == 0 || len(pcm)%FrameSamples != 0 {
		return 0, fmt.Errorf("gsm: %d samples: give a multiple of %d", len(pcm), FrameSamples)
	}
	if len(dst) < frames*FrameBytes {
		return 0, fmt.Errorf("gsm: room for %d bytes, need %d: give a longer buffer", len(dst), frames*FrameBytes)
	}
	for i := range frames {
		C.gsm_encode(e.state, (*C.gsm_signal)(&pcm[i*FrameSamples]), (*C.gsm_byte)(unsafe.Pointer(&dst[i*FrameBytes])))
	}
	runtime.KeepAlive(e)
	return frames * FrameBytes, nil
}

// Decoder decodes one stream.
type Decoder struct{ state C.gsm }

// NewDecoder makes a decoder.
func NewDecoder() (*Decoder, error) {
	d := &Decoder{}
	var err error
	d.state, err = newState(d)
	return d, err
}

// Rate is the number of samples a second.
func (d *Decoder) Rate() int { return Rate }

// Decode writes 160 samples for every 33 bytes. It errs, and the stream stays as
// it was, when one of the frames is none.
func (d *Decoder) Decode(dst []int16, payload []byte) (int, error) {
	frames, err := d.frames(dst, payload)
	if err != nil {
		return 0, err
	}
	for i := range frames {
		C.gsm_decode(d.state, (*C.gsm_byte)(unsafe.Pointer(&payload[i*FrameBytes])), (*C.gsm_signal)(&dst[i*FrameSamples]))
	}
	runtime.KeepAlive(d)
	return frames * FrameSamples, nil
}

func (d *Decoder) frames(dst []int16, payload []byte) (int, error) {
	frames := len(payload) / FrameBytes
	if frames == 0 || len(payload)%FrameBytes != 0 {
		return 0, fmt.Errorf("gsm: payload of %d bytes is no multiple of %d", len(payload), FrameBytes)
	}
	if len(dst) < frames*FrameSamples {
		return 0, fmt.Errorf("gsm: room for %d samples, need %d: give a longer buffer", len(dst), frames*FrameSamples)
	}
	for i := range frames {
		if first := payload[i*FrameBytes]; first>>4 != magic {
			return 0, fmt.Errorf("gsm: frame %d begins with %#02x, not with %#x", i, first, magic)
		}
	}
	return frames, nil
}
