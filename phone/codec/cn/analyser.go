package cn

import (
	"math"
	"time"
)

// memory is how long the background sound is averaged over.
const memory = 200 * time.Millisecond

// Analyser describes background sound.
type Analyser struct {
	rate    int
	similar [order + 1]float64 // autocorrelation of a sample, by lag
	heard   bool
	past    [order]float64 // the samples before
}

// NewAnalyser makes an analyser for sound at a rate.
func NewAnalyser(rate int) *Analyser { return &Analyser{rate: rate} }

// Add takes a piece of sound in which nobody speaks.
func (a *Analyser) Add(pcm []int16) {
	if len(pcm) == 0 {
		return
	}
	var similar [order + 1]float64
	for _, s := range pcm {
		x := float64(s)
		similar[0] += x * x
		for lag, before := range &a.past {
			similar[lag+1] += x * before
		}
		copy(a.past[1:], a.past[:])
		a.past[0] = x
	}
	fresh := 1.0
	if a.heard {
		fresh = 1 - math.Exp(-float64(len(pcm))/(memory.Seconds()*float64(a.rate)))
	}
	a.heard = true
	for lag := range similar {
		a.similar[lag] += fresh * (similar[lag]/float64(len(pcm)) - a.similar[lag])
	}
}

// Append adds the payload for what was heard to dst; before anything was, it is
// the softest noise.
func (a *Analyser) Append(dst []byte) []byte {
	s := spectrum{level: math.Sqrt(a.similar[0])}
	s.reflections = reflections(a.similar)
	return s.append(dst)
}

// sharpest bounds reflections: a tone would make a filter that rings for long,
// whose level cannot be told beforehand.
const sharpest = 0.95

// reflections is the Levinson-Durbin recursion, with the signs that RFC 3389
// takes from Rabiner and Schafer: like neighbours give a positive first.
func reflections(similar [order + 1]float64) (k [order]float64) {
	wrong := similar[0]
	if wrong < 1 { // less than one step of the scale
		return k
	}
	var predictor, before [order]float64
	for i := range k {
		sum := similar[i+1]
		for j := range i {
			sum -= predictor[j] * similar[i-j]
		}
		if k[i] = sum / wrong; math.Abs(k[i]) > sharpest {
			k[i] = math.Copysign(sharpest, k[i])
			return k // the rest would describe an error
		}
		before = predictor
		predictor[i] = k[i]
		for j := range i {
			predictor[j] = before[j] - k[i]*before[i-1-j]
		}
		wrong *= 1 - k[i]*k[i]
	}
	return k
}
