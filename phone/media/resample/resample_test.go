package resample_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tincan/phone/media/resample"
)

var rates = []int{8000, 16000, 24000, 32000, 44100, 48000}

func forPairs(t *testing.T, test func(t *testing.T, from, to int)) {
	for _, from := range rates {
		for _, to := range rates {
			if from != to {
				t.Run(fmt.Sprintf("%d to %d", from, to), func(t *testing.T) { test(t, from, to) })
			}
		}
	}
}

func resampler(t testing.TB, from, to int) *resample.Resampler {
	t.Helper()
	r, err := resample.New(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const peak = 16000

func sine(hz float64, rate, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(peak * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

// level gives the amplitude of one frequency in pcm, in a window that keeps
// others out.
func level(pcm []int16, hz float64, rate int) float64 {
	var re, im, sum float64
	for i, s := range pcm {
		x := 2 * math.Pi * float64(i) / float64(len(pcm))
		window := 0.35875 - 0.48829*math.Cos(x) + 0.14128*math.Cos(2*x) - 0.01168*math.Cos(3*x)
		w := 2 * math.Pi * hz * float64(i) / float64(rate)
		re, im, sum = re+window*float64(s)*math.Cos(w), im+window*float64(s)*math.Sin(w), sum+window
	}
	return 2 * math.Hypot(re, im) / sum
}

func decibels(ratio float64) float64 { return 20 * math.Log10(max(ratio, 1e-9)) }

// steady is what remains of a tone behind the filter's beginning.
func steady(t *testing.T, hz float64, from, to int) []int16 {
	const warm = 100 // samples of 8 kHz
	out := resampler(t, from, to).Append(nil, sine(hz, from, from/4))
	return out[warm*to/8000:]
}

// TestPassBandIsFlatAndImagesAreFarDown measures the figures of the package
// comment: tones up to 0.45 of the lower rate keep their level, and nothing but
// the tone comes out.
func TestPassBandIsFlatAndImagesAreFarDown(t *testing.T) {
	forPairs(t, func(t *testing.T, from, to int) {
		low := float64(min(from, to))
		flat, most := 0.0, -200.0
		for _, share := range []float64{0.0125, 0.1, 0.2, 0.3, 0.4, 0.44, 0.45} {
			hz := share * low
			out := steady(t, hz, from, to)
			flat = max(flat, math.Abs(decibels(level(out, hz, to)/peak)))
			for n := 1; n <= 6; n++ { // images lie around multiples of the input's rate
				for _, sign := range []float64{-1, 1} {
					image := float64(n*from) + sign*hz
					if image < float64(to)/2 {
						most = max(most, decibels(level(out, image, to)/peak))
					}
				}
			}
		}
		if flat > 0.1 {
			t.Errorf("pass band is uneven by %.2f dB", flat)
		}
		if most > -60 {
			t.Errorf("an image is only %.1f dB down", -most)
		}
	})
}

// TestWhatCannotBeKeptIsRemoved: tones above the lower rate's half do not fold
// back.
func TestWhatCannotBeKeptIsRemoved(t *testing.T) {
	forPairs(t, func(t *testing.T, from, to int) {
		if from < to {
			return
		}
		for _, share := range []float64{0.55, 0.6, 0.75, 1, 1.5, 1.99, 2.45} {
			hz := share * float64(to)
			if hz >= 0.49*float64(from) {
				continue
			}
			sum, out := 0.0, steady(t, hz, from, to)
			for _, s := range out {
				sum += float64(s) * float64(s)
			}
			if left := decibels(math.Sqrt(2*sum/float64(len(out))) / peak); left > -60 {
				t.Errorf("%.0f Hz comes back %.1f dB down", hz, -left)
			}
		}
	})
}

// TestEveryFrequencyIsDelayedAlike: an impulse comes out symmetrical, 20 samples
// of the lower rate later.
func TestEveryFrequencyIsDelayedAlike(t *testing.T) {
	forPairs(t, func(t *testing.T, from, to int) {
		const at = 441 // a place that both rates have
		in := make([]int16, from/10)
		in[at*from/44100] = 32000
		if at*from%44100 != 0 {
			return
		}
		out := resampler(t, from, to).Append(nil, in)
		var sum, moment float64
		for i, s := range out {
			sum, moment = sum+float64(s), moment+float64(s)*float64(i)
		}
		got := moment/sum/float64(to) - float64(at)/44100
		want := 20 / float64(min(from, to))
		if math.Abs(got-want) > 1/float64(min(from, to)) {
			t.Errorf("delay is %.3f ms, want %.3f", 1000*got, 1000*want)
		}
	})
}

// TestPacketsAreOneStream: cut anywhere, the sound is the same, and its length
// is right at every moment.
func TestPacketsAreOneStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.SampledFrom(rates).Draw(t, "from"), rapid.SampledFrom(rates).Draw(t, "to")
		in := rapid.SliceOfN(rapid.Int16(), 0, 500).Draw(t, "in")
		whole, err := resample.New(from, to)
		if err != nil {
			t.Fatal(err)
		}
		pieces, _ := resample.New(from, to)
		want, got, given := whole.Append(nil, in), []int16(nil), 0
		for rest := in; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			got = pieces.Append(got, rest[:n])
			rest, given = rest[n:], given+n
			if length := (given*to + from - 1) / from; len(got) != length {
				t.Fatalf("after %d samples there are %d, want %d", given, len(got), length)
			}
		}
		if !slices.Equal(want, got) {
			t.Fatal("pieces sound otherwise")
		}
	})
}

// TestLoudSoundIsClipped, not wrapped around.
func TestLoudSoundIsClipped(t *testing.T) {
	in := make([]int16, 1600)
	for i := range in {
		in[i] = 32767
		if i/100%2 == 1 {
			in[i] = -32768
		}
	}
	out := resampler(t, 8000, 48000).Append(nil, in)
	for i := range out[:len(out)-600] {
		if before, after := out[i], out[i+1]; int(before)-int(after) > 40000 || int(after)-int(before) > 40000 {
			t.Fatalf("from %d to %d", before, after)
		}
	}
}

func TestRatesThatFit(t *testing.T) {
	r, err := resample.New(8000, 8000)
	if err != nil || len(r.Append(nil, make([]int16, 160))) != 160 {
		t.Errorf("nil resampler did not copy: %v", err)
	}
	for _, pair := range [][2]int{{0, 8000}, {8000, -1}, {8000, 44101}, {1, 1 << 30}} {
		if _, err := resample.New(pair[0], pair[1]); err == nil {
			t.Errorf("%v was taken", pair)
		}
	}
	for _, pair := range [][2]int{{11025, 8000}, {22050, 16000}, {8000, 12000}, {96000, 8000}} {
		if _, err := resample.New(pair[0], pair[1]); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	r, in, out := resampler(t, 44100, 48000), make([]int16, 882), make([]int16, 0, 1000)
	out = r.Append(out, in)
	if n := testing.AllocsPerRun(100, func() { out = r.Append(out[:0], in) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkAppend20ms(b *testing.B) {
	for _, pair := range [][2]int{{8000, 16000}, {16000, 8000}, {8000, 48000}, {48000, 8000}, {16000, 48000}, {48000, 16000}, {44100, 8000}, {44100, 48000}} {
		b.Run(fmt.Sprintf("%d to %d", pair[0], pair[1]), func(b *testing.B) {
			r, in, out := resampler(b, pair[0], pair[1]), make([]int16, pair[0]/50), make([]int16, 0, 1000)
			b.ReportAllocs()
			for b.Loop() {
				out = r.Append(out[:0], in)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, pair := range [][2]int{{48000, 8000}, {44100, 8000}} {
		b.Run(fmt.Sprintf("%d to %d", pair[0], pair[1]), func(b *testing.B) {
			for b.Loop() {
				resampler(b, pair[0], pair[1])
			}
		})
	}
}
