//go:build cgo

package speexdsp_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tincan/phone/media/speexdsp"
)

func processor(t testing.TB, rate int, o speexdsp.Options) *speexdsp.Processor {
	t.Helper()
	p, err := speexdsp.New(rate, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func decibels(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return 10 * math.Log10(max(sum/float64(len(pcm)), 1e-3))
}

// babble is something like speech: noise in a low band, by syllables.
func babble(seed uint64, rate, n int, peak float64) []int16 {
	r, pcm, x := rand.New(rand.NewPCG(seed, 1)), make([]int16, n), 0.0
	smooth := math.Exp(-2 * math.Pi * 1500 / float64(rate))
	for i := range pcm {
		x = smooth*x + (1-smooth)*r.NormFloat64()
		syllable := max(0.05, math.Sin(2*math.Pi*(3+float64(seed%3))*float64(i)/float64(rate)))
		pcm[i] = int16(peak * x * syllable)
	}
	return pcm
}

// room gives what a microphone hears of a loudspeaker: after 30 ms, with
// reflections that die away within 60 ms.
func room(rate int, far []int16) []int16 {
	r, response := rand.New(rand.NewPCG(9, 9)), make([]float64, rate*9/100)
	for i := rate * 3 / 100; i < len(response); i += 3 {
		age := float64(i-rate*3/100) / float64(rate)
		response[i] = 0.3 * r.NormFloat64() * math.Exp(-age/0.015)
	}
	echo := make([]int16, len(far))
	for i := range far {
		sum := 0.0
		for lag := 0; lag < len(response) && lag <= i; lag++ {
			if response[lag] != 0 {
				sum += response[lag] * float64(far[i-lag])
			}
		}
		echo[i] = int16(sum)
	}
	return echo
}

func pieces(t testing.TB, p *speexdsp.Processor, near, far []int16) {
	t.Helper()
	for i := 0; i+p.Frame() <= len(near); i += p.Frame() {
		if err := p.Process(near[i:i+p.Frame()], far[i:i+p.Frame()]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEchoGoes measures the echo return loss enhancement: how much fainter the
// echo gets, once the room is known.
func TestEchoGoes(t *testing.T) {
	for _, rate := range []int{8000, 16000} {
		p := processor(t, rate, speexdsp.Options{EchoTail: 128 * time.Millisecond})
		far := babble(1, rate, 8*rate, 12000)
		near := room(rate, far)
		before := decibels(near[5*rate:])
		pieces(t, p, near, far)
		erle := before - decibels(near[5*rate:])
		t.Logf("%d Hz: ERLE %.1f dB after 5 s", rate, erle)
		if erle < 20 {
			t.Errorf("%d Hz: the echo gets only %.1f dB fainter", rate, erle)
		}
	}
}

// TestBothMayTalk: who speaks over an echo keeps the voice.
func TestBothMayTalk(t *testing.T) {
	const rate = 8000
	p := processor(t, rate, speexdsp.Options{EchoTail: 128 * time.Millisecond})
	far, voice := babble(1, rate, 8*rate, 12000), babble(2, rate, 8*rate, 6000)
	near := room(rate, far)
	for i := 5 * rate; i < len(near); i++ {
		near[i] += voice[i]
	}
	pieces(t, p, near, far)
	if change := decibels(near[5*rate:]) - decibels(voice[5*rate:]); math.Abs(change) > 4 {
		t.Errorf("the voice changes by %.1f dB", change)
	}
}

func TestLevelIsEvened(t *testing.T) {
	const rate = 8000
	var after [2]float64
	for i, peak := range []float64{2000, 16000} {
		p := processor(t, rate, speexdsp.Options{Level: true})
		near := babble(3, rate, 20*rate, peak)
		pieces(t, p, near, near)
		after[i] = decibels(near[15*rate:])
	}
	if d := math.Abs(after[1] - after[0]); d > 9 {
		t.Errorf("voices that were 18 dB apart still are %.1f", d)
	}
}

func TestNoiseGoes(t *testing.T) {
	const rate = 16000
	p := processor(t, rate, speexdsp.Options{Denoise: true})
	r, near := rand.New(rand.NewPCG(1, 1)), make([]int16, 5*rate)
	for i := range near {
		near[i] = int16(300 * r.NormFloat64())
	}
	before := decibels(near[3*rate:])
	pieces(t, p, near, near)
	if less := before - decibels(near[3*rate:]); less < 10 {
		t.Errorf("noise gets only %.1f dB fainter", less)
	}
}

func TestWrongSizesAreErrors(t *testing.T) {
	for _, rate := range []int{0, 7999, 8001, 96000} {
		if _, err := speexdsp.New(rate, speexdsp.Options{}); err == nil {
			t.Errorf("%d Hz were taken", rate)
		}
	}
	for _, tail := range []time.Duration{-1, time.Second} {
		if _, err := speexdsp.New(8000, speexdsp.Options{EchoTail: tail}); err == nil {
			t.Errorf("a tail of %v was taken", tail)
		}
	}
	p := processor(t, 8000, speexdsp.Options{EchoTail: 100 * time.Millisecond})
	for _, n := range [][2]int{{159, 159}, {160, 0}, {160, 320}} {
		if p.Process(make([]int16, n[0]), make([]int16, n[1])) == nil {
			t.Errorf("%d samples near and %d far were taken", n[0], n[1])
		}
	}
	if err := p.Process(nil, nil); err != nil {
		t.Error(err)
	}
	if err := processor(t, 8000, speexdsp.Options{Denoise: true}).Process(make([]int16, 320), nil); err != nil {
		t.Errorf("without echo: %v", err)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	p := processor(t, 8000, speexdsp.Options{EchoTail: 128 * time.Millisecond, Level: true, Denoise: true})
	near, far := make([]int16, 160), make([]int16, 160)
	if n := testing.AllocsPerRun(100, func() { _ = p.Process(near, far) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkProcess20ms(b *testing.B) {
	for name, o := range map[string]speexdsp.Options{
		"echo":  {EchoTail: 128 * time.Millisecond},
		"noise": {Denoise: true},
		"all":   {EchoTail: 128 * time.Millisecond, Level: true, Denoise: true},
	} {
		for _, rate := range []int{8000, 16000} {
			b.Run(fmt.Sprintf("%s %d", name, rate), func(b *testing.B) {
				p, far := processor(b, rate, o), babble(1, rate, rate, 8000)
				near := make([]int16, p.Frame())
				for b.Loop() {
					copy(near, far[7:])
					_ = p.Process(near, far[:p.Frame()])
				}
			})
		}
	}
}
