package tone

import (
	"math"
	"time"
)

// Beside gives, for each window of d, the power beside the sine at hz in dB of that
// of a sine as Sine makes it: of the window is taken away the sine that fits it
// best. A step from one phase or level to another stands out, and a hole is -0 dB.
func (s Sound) Beside(hz float64, d time.Duration) (levels []float64) {
	size := count(d, s.Rate)
	for at := 0; size > 0 && at+size <= len(s.Samples); at += size {
		rest, level := without(s.Samples[at:at+size], hz, s.Rate)
		if level < amplitude*amplitude/8 { // 6 dB too faint is a hole
			rest = amplitude * amplitude / 2
		}
		levels = append(levels, 10*math.Log10(max(rest, tiny)/(amplitude*amplitude/2)))
	}
	return levels
}

// tiny stands for no power at all.
const tiny = 1e-12

// without fits a·cos + b·sin by least squares and gives the mean squares of what is
// left, and of what was fitted.
func without(w []float64, hz float64, rate int) (rest, fitted float64) {
	var cc, cs, ss, xc, xs, xx float64
	for i, x := range w {
		c, s := math.Cos(2*math.Pi*hz*float64(i)/float64(rate)), math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
		cc, cs, ss = cc+c*c, cs+c*s, ss+s*s
		xc, xs, xx = xc+x*c, xs+x*s, xx+x*x
	}
	det := cc*ss - cs*cs
	a, b := (xc*ss-xs*cs)/det, (xs*cc-xc*cs)/det
	fitted = a*xc + b*xs
	return max(xx-fitted, 0) / float64(len(w)), fitted / float64(len(w))
}
