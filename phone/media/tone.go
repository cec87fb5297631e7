package media

import "math"

// Tone is a steady sine.
type Tone struct {
	Hz    float64 // 0: 440
	Level float64 // dB below the loudest; 0: 15
	Rate  int     // samples a second; 0: 8000
}

// NewTone makes an application that gives a tone to whoever it is joined with,
// and listens to nothing.
func NewTone(e *Engine, t Tone) *PCM {
	if t.Hz == 0 {
		t.Hz = 440
	}
	if t.Level == 0 {
		t.Level = 15
	}
	if t.Rate == 0 {
		t.Rate = 8000
	}
	return NewPCM(e, PCMConfig{Rate: t.Rate, Source: t.source()})
}

// source keeps the phase from packet to packet.
func (t Tone) source() func([]int16) bool {
	var phase float64
	step := 2 * math.Pi * t.Hz / float64(t.Rate)
	peak := math.MaxInt16 * math.Pow(10, -t.Level/20)
	return func(pcm []int16) bool {
		for i := range pcm {
			pcm[i] = int16(math.Round(peak * math.Sin(phase)))
			phase = math.Mod(phase+step, 2*math.Pi)
		}
		return true
	}
}
