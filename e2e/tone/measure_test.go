package tone

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestMeasureOfWhatWasMade(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		for _, off := range []float64{-5, 0, 0.3, 7} {
			m, ok := Sine(440+off, time.Second, rate).Measure(440, 400*time.Millisecond)
			if !ok || math.Abs(m.Hz-440-off) > 0.1 || math.Abs(m.Level) > 0.05 || m.Share < 0.99 {
				t.Errorf("%+v Hz at %d Hz is measured as %+v, %v", 440+off, rate, m, ok)
			}
		}
	}
}

func TestMeasureOfLessAndOfNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := Sine(700, time.Second, 8000)
	for i := range s.Samples {
		s.Samples[i] = s.Samples[i]/2 + 0.04*random.NormFloat64() // -6 dB, noise 11 dB below that
	}
	m, ok := s.Measure(700, 400*time.Millisecond)
	if !ok || math.Abs(m.Level+6) > 0.2 || m.Share < 0.9 || m.Share > 0.95 {
		t.Errorf("%+v, %v", m, ok)
	}
	if m, ok := Sine(700, 400*time.Millisecond, 8000).Measure(700, 400*time.Millisecond); ok {
		t.Errorf("too short a tone is measured as %+v", m)
	}
}
