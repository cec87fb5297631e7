// Package tone makes and finds test tones, so that a test can tell who heard whom.
//
// Each phone plays a sine of its own; what the other phone recorded is cut into
// windows, and each window is asked how much of its power lies at the tone:
//
//	Sine ──> Write ──> phone ──~~ call ~~──> phone ──> Read ──> Sound.Longest(hz)
//
// No goroutines; nothing is shared.
package tone

import (
	"math"
	"time"
)

// Sound is mono PCM: samples at Rate samples a second, full scale 1.
type Sound struct {
	Rate    int
	Samples []float64
}

const (
	// window is one look at the sound: 40 ms holds 12 periods of 300 Hz, and
	// keeps tones 50 Hz apart distinct.
	window = 40 * time.Millisecond

	// dominance is the share of a window's power that the tone must hold. The
	// worst codec tested (GSM, Speex at 8 kHz) leaves a pure tone above 0.7.
	dominance = 0.5

	// audible is the least power (mean square) that counts as sound: 50 dB
	// below full scale, far above codec noise, far below the tones played.
	audible = 1e-5

	// amplitude of the tones made: loud, with room for a codec's overshoot.
	amplitude = 0.4
)

// Sine makes d of a sine at hz.
func Sine(hz float64, d time.Duration, rate int) Sound {
	samples := make([]float64, count(d, rate))
	for i := range samples {
		samples[i] = amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
	}
	return Sound{Rate: rate, Samples: samples}
}

// Duration is how long the sound plays.
func (s Sound) Duration() time.Duration {
	if s.Rate == 0 {
		return 0
	}
	return time.Duration(len(s.Samples)) * time.Second / time.Duration(s.Rate)
}

// After returns the sound from d on; silence of no length when d is past its end.
func (s Sound) After(d time.Duration) Sound {
	from := min(count(d, s.Rate), len(s.Samples))
	return Sound{Rate: s.Rate, Samples: s.Samples[from:]}
}

// Longest returns the longest unbroken stretch in which a sine at hz is what is
// heard, in steps of one window.
func (s Sound) Longest(hz float64) time.Duration {
	var longest, run time.Duration
	for _, w := range s.windows() {
		if !dominates(w, hz, s.Rate) {
			run = 0
			continue
		}
		run += window
		longest = max(longest, run)
	}
	return longest
}

// Total returns how much of the sound is a sine at hz, broken or not.
func (s Sound) Total(hz float64) time.Duration {
	var total time.Duration
	for _, w := range s.windows() {
		if dominates(w, hz, s.Rate) {
			total += window
		}
	}
	return total
}

// Chord returns the longest unbroken stretch in which each of the sines is a good
// part of what is heard.
func (s Sound) Chord(tones ...float64) time.Duration {
	var longest, run time.Duration
	for _, w := range s.windows() {
		if !sounds(w, s.Rate, tones) {
			run = 0
			continue
		}
		run += window
		longest = max(longest, run)
	}
	return longest
}

// Levels gives how loud a sine is in each 40 ms, in dB of full scale.
func (s Sound) Levels(hz float64) (levels []float64) {
	for _, w := range s.windows() {
		levels = append(levels, 10*math.Log10(max(tonePower(w, hz, s.Rate), 1e-9)))
	}
	return levels
}

// part is the share of the power that a sine of a chord has at least.
const part = 0.1

func sounds(w []float64, rate int, tones []float64) bool {
	total := power(w)
	for _, hz := range tones {
		if total < audible || tonePower(w, hz, rate) < part*total {
			return false
		}
	}
	return true
}

func (s Sound) windows() [][]float64 {
	size := count(window, s.Rate)
	if size == 0 {
		return nil
	}
	var all [][]float64
	for at := 0; at+size <= len(s.Samples); at += size {
		all = append(all, s.Samples[at:at+size])
	}
	return all
}

func dominates(w []float64, hz float64, rate int) bool {
	total := power(w)
	return total >= audible && tonePower(w, hz, rate) >= dominance*total
}

// power is the mean square of w.
func power(w []float64) float64 {
	var sum float64
	for _, x := range w {
		sum += x * x
	}
	return sum / float64(len(w))
}

// tonePower is the mean square of the sine at hz within w, by Goertzel's
// recurrence: one bin of a Fourier transform, at any frequency.
func tonePower(w []float64, hz float64, rate int) float64 {
	coefficient := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var s1, s2 float64
	for _, x := range w {
		s1, s2 = x+coefficient*s1-s2, s1
	}
	magnitude := s1*s1 + s2*s2 - coefficient*s1*s2
	n := float64(len(w))
	// A sine of amplitude a has magnitude (a·n/2)² and mean square a²/2.
	return 2 * magnitude / (n * n)
}

// count is the number of samples in d.
func count(d time.Duration, rate int) int {
	return int(d * time.Duration(rate) / time.Second)
}
