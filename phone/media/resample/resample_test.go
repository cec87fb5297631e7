package resample_test

import (
	"math"
	"testing"

	"tincan/phone/media/resample"
)

func sine(hz, rate, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(10000 * math.Sin(2*math.Pi*float64(hz)*float64(i)/float64(rate)))
	}
	return pcm
}

// level gives the amplitude of one frequency in pcm.
func level(pcm []int16, hz, rate int) float64 {
	var re, im float64
	for i, s := range pcm {
		w := 2 * math.Pi * float64(hz) * float64(i) / float64(rate)
		re += float64(s) * math.Cos(w)
		im += float64(s) * math.Sin(w)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func TestToneKeepsItsLevelAndCount(t *testing.T) {
	for _, rates := range [][2]int{{8000, 16000}, {16000, 8000}, {8000, 48000}, {48000, 8000}, {16000, 48000}, {48000, 16000}} {
		from, to := rates[0], rates[1]
		r, err := resample.New(from, to)
		if err != nil {
			t.Fatal(err)
		}
		in := sine(1000, from, from/2)
		var out []int16
		for len(in) > 0 { // in packets of 20 ms
			out = r.Append(out, in[:from/50])
			in = in[from/50:]
		}
		if len(out) != to/2 {
			t.Errorf("%d to %d: %d samples, want %d", from, to, len(out), to/2)
		}
		if got := level(out[to/10:], 1000, to); math.Abs(got-10000) > 300 {
			t.Errorf("%d to %d: level %.0f, want 10000", from, to, got)
		}
	}
}

func TestAliasesAreFarDown(t *testing.T) {
	r, err := resample.New(16000, 8000)
	if err != nil {
		t.Fatal(err)
	}
	out := r.Append(nil, sine(6000, 16000, 16000))
	if got := level(out[800:], 2000, 8000); got > 100 { // 40 dB below
		t.Errorf("6 kHz comes back at 2 kHz with level %.0f", got)
	}
}

func TestEqualRatesCopy(t *testing.T) {
	r, err := resample.New(8000, 8000)
	if err != nil || len(r.Append(nil, make([]int16, 160))) != 160 {
		t.Errorf("nil resampler did not copy: %v", err)
	}
}

func TestFractionsAreRefused(t *testing.T) {
	if _, err := resample.New(44100, 8000); err == nil {
		t.Error("44.1 to 8 kHz was taken")
	}
}

func BenchmarkDown48To8(b *testing.B) {
	r, _ := resample.New(48000, 8000)
	in, out := make([]int16, 960), make([]int16, 0, 160)
	b.ReportAllocs()
	for b.Loop() {
		out = r.Append(out[:0], in)
	}
}
