// Package resample changes the sample rate of sound by any fraction of small
// terms: 8, 16, 24, 32, 44.1 and 48 kHz into each other. It is a linear-phase
// low-pass filter in polyphase form, so that only the samples that are kept are
// computed, and only from those that there are.
//
//	8 -> 48 kHz   each input -> 6 outputs, phases 0 to 5, each of the last 40 inputs
//	48 -> 8 kHz   6 inputs -> 1 output, of the last 240
//	44.1 -> 48    147 inputs -> 160 outputs, phases 0, 147, 134 ... of 160
//
// The pass band ends at 0.45 of the lower rate, flat within 0.1 dB; from 0.55 on
// images are 60 dB down, so that what is heard of a tone in the pass band is the
// tone alone.
//
// A Resampler keeps the end of the stream and belongs to one goroutine at a
// time. It delays sound by half its length: 20 samples of the lower rate, 2.5 ms
// at 8 kHz. It allocates when made and until it has seen its longest input.
package resample

import (
	"fmt"
	"math"
)

// mostPhases bounds the table of coefficients: 44.1 to 48 kHz needs 160, and
// rates that have no more in common than 1 Hz would need thousands.
const mostPhases = 1024

// Resampler changes the rate of one stream.
type Resampler struct {
	up, down int
	phases   [][]float32 // up of them, each as long as an output looks back, oldest first
	past     []float32   // the inputs that the next output needs
	skip     int         // inputs to pass over before the next output
	phase    int         // of the next output
}

// New makes a resampler, or nil when the rates are equal: a nil Resampler
// copies. It errs when the rates' ratio has terms that are too great.
func New(from, to int) (*Resampler, error) {
	if from <= 0 || to <= 0 {
		return nil, fmt.Errorf("resample: rates of %d and %d Hz: both must be positive", from, to)
	}
	if from == to {
		return nil, nil
	}
	common := divisor(from, to)
	up, down := to/common, from/common
	if max(up, down) > mostPhases {
		return nil, fmt.Errorf("resample: %d to %d Hz is %d to %d: neither may be above %d", from, to, down, up, mostPhases)
	}
	r := &Resampler{up: up, down: down, phases: lowPass(up, down)}
	r.past = make([]float32, len(r.phases[0])-1)
	return r, nil
}

func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Clone gives a resampler that goes on from here by itself.
func (r *Resampler) Clone() *Resampler {
	if r == nil {
		return nil
	}
	c := *r
	c.past = append(make([]float32, 0, cap(r.past)), r.past...)
	return &c
}

// Append adds the resampled samples of in to dst. After n inputs in all it has
// given n*to/from outputs, rounded up.
func (r *Resampler) Append(dst, in []int16) []int16 {
	if r == nil {
		return append(dst, in...)
	}
	need := len(r.phases[0])
	for _, sample := range in {
		r.past = append(r.past, float32(sample))
	}
	at := r.skip
	for at < len(in) {
		dst = append(dst, round(dot(r.past[at:at+need], r.phases[r.phase])))
		r.phase += r.down
		at += r.phase / r.up
		r.phase %= r.up
	}
	r.skip = at - len(in)
	r.past = r.past[:copy(r.past, r.past[len(in):])]
	return dst
}

// dot is the sum of products, in four sums so that none waits for another; both
// have one length, a multiple of four.
func dot(window, kernel []float32) float32 {
	var a, b, c, d float32
	for len(window) >= 4 && len(kernel) >= 4 {
		a += window[0] * kernel[0]
		b += window[1] * kernel[1]
		c += window[2] * kernel[2]
		d += window[3] * kernel[3]
		window, kernel = window[4:], kernel[4:]
	}
	return a + b + (c + d)
}

func round(x float32) int16 {
	switch {
	case x >= math.MaxInt16:
		return math.MaxInt16
	case x <= math.MinInt16:
		return math.MinInt16
	case x < 0:
		return int16(x - 0.5)
	}
	return int16(x + 0.5)
}
