package g722

import "math"

// band is one half of the spectrum: an adaptive step size and a predictor with
// two poles and six zeros. All numbers are in the units of the Recommendation,
// where a saturating 16-bit machine works.
type band struct {
	estimate      int32    // of the next sample (S), and
	estimateZeros int32    // the part that the zeros give (SZ)
	rebuilt       int32    // the sample before (RLT1)
	partial       [2]int32 // signs of poles' adaptation: the last two (PLT)
	poles         [2]int32 // AL1, AL2
	zeros         [6]int32 // BL1 ... BL6
	past          [6]int32 // differences, newest first (DLT)
	log           int32    // of the step size (NB)
	step          int32    // DET
}

// Steps that a silent stream begins with, and bounds of their logarithms.
const (
	lowStep, lowMost   = 32, 18432
	highStep, highMost = 8, 22528
)

func clip16(x int32) int32 { return min(max(x, math.MinInt16), math.MaxInt16) }

// clip15 is the bound of a reconstructed sample (LIMIT).
func clip15(x int32) int32 { return min(max(x, -16384), 16383) }

// pace adapts the step size (LOGSCL and SCALEL, LOGSCH and SCALEH). Shift is 8
// for the low band and 10 for the high.
func (b *band) pace(by, most, shift int32) {
	b.log = min(max(b.log*127>>7+by, 0), most)
	fraction := power[b.log>>6&31]
	if down := shift - b.log>>11; down >= 0 {
		b.step = fraction >> down << 2
	} else {
		b.step = fraction << -down << 2
	}
}

// advance takes the difference that was sent into the predictor and estimates
// the next sample.
func (b *band) advance(difference int32) {
	rebuilt := clip16(b.estimate + difference)      // RECONS
	partial := clip16(b.estimateZeros + difference) // PARREC
	b.adaptPoles(partial)
	b.adaptZeros(difference)

	// FILTEP, FILTEZ and PREDIC, with the delays (DELAYA) taken as given.
	fromPoles := b.poles[0]*clip16(2*rebuilt)>>15 + b.poles[1]*clip16(2*b.rebuilt)>>15
	copy(b.past[1:], b.past[:5])
	b.past[0] = difference
	sum := int32(0)
	for i, d := range &b.past {
		sum += b.zeros[i] * clip16(2*d) >> 15
	}
	b.estimateZeros = clip16(sum)
	b.estimate = clip16(clip16(fromPoles) + b.estimateZeros)
	b.rebuilt, b.partial[1], b.partial[0] = rebuilt, b.partial[0], partial
}

// adaptPoles is UPPOL2 and UPPOL1.
func (b *band) adaptPoles(partial int32) {
	sameAsLast, sameAsBefore := (partial^b.partial[0]) >= 0, (partial^b.partial[1]) >= 0

	lean := clip16(4 * b.poles[0])
	if sameAsLast {
		lean = min(-lean, math.MaxInt16)
	}
	second := lean>>7 + b.poles[1]*32512>>15 + signed(128, sameAsBefore)
	second = min(max(second, -12288), 12288)

	most := 15360 - second // keeps the filter stable
	first := clip16(signed(192, sameAsLast) + b.poles[0]*32640>>15)
	b.poles = [2]int32{min(max(first, -most), most), second}
}

// adaptZeros is UPZERO.
func (b *band) adaptZeros(difference int32) {
	gain := int32(128)
	if difference == 0 {
		gain = 0
	}
	for i := range b.zeros {
		grow := signed(gain, (difference^b.past[i]) >= 0)
		b.zeros[i] = clip16(grow + b.zeros[i]*32640>>15)
	}
}

func signed(x int32, positive bool) int32 {
	if positive {
		return x
	}
	return -x
}
