//go:build cgo

package speexdsp

// #cgo LDFLAGS: -lspeexdsp -lm
// #cgo noescape tincan_process
// #cgo nocallback tincan_process
//
// #include <stdlib.h>
// #include <string.h>
// #include <speex/speex_echo.h> // Debian: libspeexdsp-dev
// #include <speex/speex_preprocess.h>
//
// typedef struct {
//   SpeexEchoState *echo;
//   SpeexPreprocessState *clean;
//   int frame;
//   spx_int16_t out[]; // a frame
// } tincan_dsp;
//
// static void tincan_free(tincan_dsp *d) {
//   if (d->clean) speex_preprocess_state_destroy(d->clean);
//   if (d->echo) speex_echo_state_destroy(d->echo);
//   free(d);
// }
//
// // tincan_new gives 0 when there is no memory, or level is not in the library.
// static tincan_dsp *tincan_new(int rate, int frame, int tail, int level, int denoise) {
//   tincan_dsp *d = calloc(1, sizeof *d + frame * sizeof *d->out);
//   if (!d) return 0;
//   d->frame = frame;
//   d->clean = speex_preprocess_state_init(frame, rate);
//   if (tail) d->echo = speex_echo_state_init(frame, tail);
//   if (!d->clean || (tail && !d->echo)) { tincan_free(d); return 0; }
//   // What the echo's filter leaves is dampened by the part that dampens noise.
//   int dampen = denoise || tail, by = denoise ? -15 : 0; // dB
//   int bad = speex_preprocess_ctl(d->clean, SPEEX_PREPROCESS_SET_DENOISE, &dampen);
//   bad |= speex_preprocess_ctl(d->clean, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &by);
//   if (level) bad |= speex_preprocess_ctl(d->clean, SPEEX_PREPROCESS_SET_AGC, &level);
//   if (d->echo) {
//     speex_echo_ctl(d->echo, SPEEX_ECHO_SET_SAMPLING_RATE, &rate);
//     bad |= speex_preprocess_ctl(d->clean, SPEEX_PREPROCESS_SET_ECHO_STATE, d->echo);
//   }
//   if (bad) { tincan_free(d); return 0; }
//   return d;
// }
//
// static void tincan_process(tincan_dsp *d, spx_int16_t *near, const spx_int16_t *far, int frames) {
//   for (int i = 0; i < frames; i++, near += d->frame) {
//     if (d->echo) {
//       speex_echo_cancellation(d->echo, near, far + i * d->frame, d->out);
//       memcpy(near, d->out, d->frame * sizeof *near);
//     }
//     speex_preprocess_run(d->clean, near);
//   }
// }
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"
)

var errLibrary = errors.New("speexdsp: libspeexdsp has no memory, or no level control: one for machines without floating point lacks it")

// Available tells whether this build can treat sound.
const Available = true

// Processor treats what one party sends.
type Processor struct {
	state *C.tincan_dsp
	frame int
	echo  bool
}

// New makes a processor for sound at a rate of 8000 to 48000 Hz.
func New(rate int, o Options) (*Processor, error) {
	if rate < leastRate || rate > mostRate || rate%50 != 0 {
		return nil, fmt.Errorf("speexdsp: rate of %d Hz: give one from %d to %d", rate, leastRate, mostRate)
	}
	if o.EchoTail < 0 || o.EchoTail > mostTail {
		return nil, fmt.Errorf("speexdsp: echo tail of %v: give one up to %v", o.EchoTail, mostTail)
	}
	frame := int(frameTime * time.Duration(rate) / time.Second)
	tail := int(o.EchoTail * time.Duration(rate) / time.Second)
	p := &Processor{frame: frame, echo: tail > 0}
	p.state = C.tincan_new(C.int(rate), C.int(frame), C.int(tail), flag(o.Level), flag(o.Denoise))
	if p.state == nil {
		return nil, errLibrary
	}
	runtime.AddCleanup(p, func(s *C.tincan_dsp) { C.tincan_free(s) }, p.state)
	return p, nil
}

func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

// Frame is the number of samples of which every piece has a multiple: 20 ms.
func (p *Processor) Frame() int { return p.frame }

// Process changes near, what the party sends, in place; far is what it was sent
// in the same time, and as long (it may be nil when echo is not cancelled).
func (p *Processor) Process(near, far []int16) error {
	if len(near)%p.frame != 0 || p.echo && len(far) != len(near) {
		return fmt.Errorf("speexdsp: %d samples near, %d far: give equal multiples of %d", len(near), len(far), p.frame)
	}
	if len(near) == 0 {
		return nil
	}
	C.tincan_process(p.state, (*C.spx_int16_t)(&near[0]),
		(*C.spx_int16_t)(unsafe.SliceData(far)), C.int(len(near)/p.frame))
	runtime.KeepAlive(p)
	return nil
}
