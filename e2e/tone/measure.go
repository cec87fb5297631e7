package tone

import (
	"math"
	"math/cmplx"
	"time"
)

// Measure compares what is heard with the tone that Sine made.
type Measure struct {
	Hz    float64 // its pitch
	Level float64 // dB, 0 when it is as loud as Sine makes it
	Share float64 // of the power that is the tone, 0 to 1
}

// Measure looks at the best d of what is heard in which a sine at hz, or within
// 10 Hz of it, dominates, and is false where none does for so long. A window before
// and one after are left out: the tone may begin or end within them.
func (s Sound) Measure(hz float64, d time.Duration) (best Measure, ok bool) {
	all, need := s.windows(), int(d/window)
	run := 0
	for i, w := range all {
		if run++; !dominates(w, hz, s.Rate) {
			run = 0
		}
		if run < need+2 {
			continue
		}
		if m := measure(all[i-need:i], hz, s.Rate); !ok || m.Share > best.Share {
			best, ok = m, true
		}
	}
	return best, ok
}

func measure(windows [][]float64, hz float64, rate int) Measure {
	var whole []float64
	var turn complex128
	var before complex128
	for i, w := range windows {
		now := phasor(w, hz, rate)
		if i > 0 {
			turn += now * cmplx.Conj(before)
		}
		before = now
		whole = append(whole, w...)
	}
	size := float64(len(windows[0])) / float64(rate) // seconds
	// hz itself turns by whole periods and a rest in each window.
	expected := cmplx.Rect(1, 2*math.Pi*hz*size)
	m := Measure{Hz: hz + cmplx.Phase(turn*cmplx.Conj(expected))/(2*math.Pi*size)}
	at := tonePower(whole, m.Hz, rate)
	m.Level = 10 * math.Log10(at/(amplitude*amplitude/2))
	m.Share = min(1, at/power(whole))
	return m
}

// phasor is the amplitude and phase of the sine at hz, the phase counted from the
// window's start.
func phasor(w []float64, hz float64, rate int) complex128 {
	var sum complex128
	step := cmplx.Rect(1, -2*math.Pi*hz/float64(rate))
	at := complex(1, 0)
	for _, x := range w {
		sum += complex(x, 0) * at
		at *= step
	}
	return sum
}
