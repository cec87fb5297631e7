package resample

import "math"

const (
	// taps is the filter's length in samples of the lower rate: what Kaiser's
	// formula gives for 60 dB between 0.45 and 0.55 of it, and a little more.
	taps = 40
	// beta shapes Kaiser's window for 65 dB.
	beta = 6.2
)

// lowPass gives the coefficients by phase, each oldest input first, of a sinc in
// a Kaiser window whose middle is at half the lower rate. Each phase alone has
// gain 1, so that steady sound stays steady.
func lowPass(up, down int) [][]float32 {
	factor := max(up, down)
	length := (taps*factor + up - 1) / up // of a phase
	length = (length + 3) / 4 * 4
	whole := up * length
	middle := float64(whole-1) / 2
	norm := bessel(beta)
	phases := make([][]float32, up)
	for p := range phases {
		kernel, sum := make([]float64, length), 0.0
		for i := range kernel {
			x := float64(p+i*up) - middle
			side := x / (middle + 1)
			kernel[i] = sinc(x/float64(factor)) * bessel(beta*math.Sqrt(1-side*side)) / norm
			sum += kernel[i]
		}
		phases[p] = make([]float32, length)
		for i, k := range kernel {
			phases[p][length-1-i] = float32(k / sum)
		}
	}
	return phases
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel is the modified Bessel function of the first kind and order zero.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for n := 1.0; term > 1e-9*sum; n++ {
		term *= x * x / (4 * n * n)
		sum += term
	}
	return sum
}
