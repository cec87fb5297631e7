// Package resample changes the sample rate of sound by a whole factor, up or
// down: 8, 16 and 48 kHz into each other. It is a linear-phase low-pass filter
// in polyphase form, so that only the samples that are kept are computed.
//
//	up by L    each input sample -> L outputs, each from the last taps inputs
//	down by M  M input samples -> 1 output, from the last taps*M inputs
//
// A Resampler keeps the end of the stream and belongs to one goroutine at a
// time. It delays sound by taps/2 samples of the lower rate: 1 ms at 8 kHz.
package resample

import (
	"fmt"
	"math"
)

// taps is the filter's length in samples of the lower rate: enough to keep
// aliases 40 dB down, short enough for a small computer.
const taps = 16

// cutoff is where the filter is at half, as a share of the lower rate's half.
// Below 1, so that less of the band just above it folds back.
const cutoff = 0.9

// Resampler changes the rate of one stream.
type Resampler struct {
	up, down int
	kernel   []float32 // taps*factor coefficients at the higher rate
	past     []float32 // the inputs that the next output needs
	skip     int       // inputs to pass over before the next output
}

// New makes a resampler, or nil when the rates are equal: a nil Resampler
// copies. It errs when neither rate is a multiple of the other.
func New(from, to int) (*Resampler, error) {
	switch {
	case from <= 0 || to <= 0:
		return nil, fmt.Errorf("resample: rates of %d and %d Hz: both must be positive", from, to)
	case from == to:
		return nil, nil
	case to%from == 0:
		return build(to/from, 1), nil
	case from%to == 0:
		return build(1, from/to), nil
	}
	return nil, fmt.Errorf("resample: %d to %d Hz: only whole factors are supported", from, to)
}

func build(up, down int) *Resampler {
	factor := max(up, down)
	r := &Resampler{up: up, down: down, kernel: lowPass(taps*factor, factor, up)}
	r.past = make([]float32, len(r.kernel)/up-1)
	return r
}

// lowPass gives a windowed sinc (Blackman) of n coefficients that sum to gain.
func lowPass(n, factor, gain int) []float32 {
	kernel, sum := make([]float64, n), 0.0
	for i := range kernel {
		x := float64(i) - float64(n-1)/2
		w := 2 * math.Pi * (float64(i) + 0.5) / float64(n)
		window := 0.42 - 0.5*math.Cos(w) + 0.08*math.Cos(2*w)
		kernel[i] = sinc(x*cutoff/float64(factor)) * window
		sum += kernel[i]
	}
	out := make([]float32, n)
	for i, k := range kernel {
		out[i] = float32(k / sum * float64(gain))
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
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
// given n*up/down outputs, rounded up.
func (r *Resampler) Append(dst, in []int16) []int16 {
	if r == nil {
		return append(dst, in...)
	}
	// past holds one input fewer than an output needs; each input completes
	// one more window.
	need := len(r.past) + 1
	for _, sample := range in {
		r.past = append(r.past, float32(sample))
	}
	for i := range in {
		if r.skip == 0 {
			for phase := range r.up {
				dst = append(dst, r.output(r.past[i:i+need], phase))
			}
			r.skip = r.down
		}
		r.skip--
	}
	r.past = r.past[:copy(r.past, r.past[len(in):])]
	return dst
}

// output gives one sample: the inputs under every up-th coefficient, the
// newest under the first.
func (r *Resampler) output(window []float32, phase int) int16 {
	sum, last := float32(0), len(window)-1
	for i := range window {
		sum += window[last-i] * r.kernel[phase+i*r.up]
	}
	return int16(min(max(math.Round(float64(sum)), math.MinInt16), math.MaxInt16))
}
