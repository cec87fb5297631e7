package cn

import (
	"math"
	"math/rand/v2"
	"time"
)

// settling is how long the level takes most of its way to a new one.
const settling = 40 * time.Millisecond

// peak is how far a sample may be above the level. Noise itself seldom is; what a
// filter left behind would be, in the filter that follows it.
const peak = 4.0

// Noise makes the noise that payloads describe.
type Noise struct {
	random  *rand.Rand
	wanted  spectrum
	gain    float64 // of the white noise, on its way to
	target  float64
	pace    float64 // share of the way for each sample
	lattice [order + 1]float64
	most    float64 // what a sample may be at most, in units of the gain
}

// NewNoise makes a source of noise at a rate; silent until it is told more.
func NewNoise(rate int) *Noise {
	return &Noise{
		random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		pace:   1 - math.Exp(-1/(settling.Seconds()*float64(rate))),
	}
}

// Update takes a payload. It errs, and goes on as before, when it makes no sense.
func (n *Noise) Update(payload []byte) error {
	s, err := parse(payload)
	if err != nil {
		return err
	}
	first := n.target == 0
	n.wanted, n.target = s, s.level
	for _, k := range s.reflections {
		n.target *= math.Sqrt(1 - k*k) // what the filter will add
	}
	n.most = peak * s.level / n.target
	if first {
		n.gain = n.target
	}
	return nil
}

// Fill fills dst with what comes next.
func (n *Noise) Fill(dst []int16) {
	for i := range dst {
		n.gain += n.pace * (n.target - n.gain)
		// The sum of two even distributions is near enough to the bell of real
		// noise, and has no far ends that would be clipped.
		white := (n.random.Float64() + n.random.Float64() - 1) * math.Sqrt(6)
		x := n.filter(n.gain * white)
		dst[i] = int16(math.Round(min(max(x, math.MinInt16), math.MaxInt16)))
	}
}

// filter is the lattice form of the all-pole filter with those reflections.
func (n *Noise) filter(x float64) float64 {
	for i := order - 1; i >= 0; i-- {
		k := n.wanted.reflections[i]
		x += k * n.lattice[i]
		n.lattice[i+1] = n.lattice[i] - k*x
	}
	n.lattice[0] = min(max(x, -n.gain*n.most), n.gain*n.most)
	return n.lattice[0]
}
