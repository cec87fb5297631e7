package cn_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"tincan/phone/codec/cn"
)

func rms(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(len(pcm)))
}

// level is in dBov.
func level(pcm []int16) float64 { return 20 * math.Log10(max(rms(pcm), 1e-3)/32767) }

func second(t testing.TB, payload []byte) []int16 {
	t.Helper()
	n := cn.NewNoise(8000)
	if err := n.Update(payload); err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 8000)
	n.Fill(pcm)
	return pcm
}

func TestNoiseHasTheLevelThatItIsTold(t *testing.T) {
	for _, payload := range [][]byte{{20}, {40}, {60}, {50, 200, 90, 140}, {45, 20}, {45, 240, 30}} {
		if got, want := level(second(t, payload)), -float64(payload[0]); math.Abs(got-want) > 1.5 {
			t.Errorf("% d: %.1f dBov, want %.0f", payload, got, want)
		}
	}
	if got := rms(second(t, []byte{127})); got != 0 {
		t.Errorf("the softest noise has %f", got)
	}
}

// TestSpectrumComesBack: what is analysed from noise that a payload made is that
// payload, nearly.
func TestSpectrumComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := []byte{byte(rapid.IntRange(15, 50).Draw(t, "level"))}
		for range rapid.IntRange(0, 10).Draw(t, "reflections") {
			payload = append(payload, byte(rapid.IntRange(90, 165).Draw(t, "reflection")))
		}
		n, a, pcm := cn.NewNoise(8000), cn.NewAnalyser(8000), make([]int16, 32000)
		if err := n.Update(payload); err != nil {
			t.Fatal(err)
		}
		n.Fill(pcm)
		a.Add(pcm[8000:]) // three seconds: chance counts for little
		got := a.Append(nil)
		if math.Abs(float64(got[0])-float64(payload[0])) > 2 {
			t.Fatalf("level %d, want %d", got[0], payload[0])
		}
		for i := 1; i < 11; i++ {
			if math.Abs(at(got, i)-at(payload, i)) > 13 { // a tenth
				t.Fatalf("% d, want % d", got, payload)
			}
		}
	})
}

func at(payload []byte, i int) float64 {
	if i < len(payload) {
		return float64(payload[i])
	}
	return 127
}

func TestDamagedPayloadsChangeNothing(t *testing.T) {
	n := cn.NewNoise(8000)
	if err := n.Update([]byte{40}); err != nil {
		t.Fatal(err)
	}
	for _, payload := range [][]byte{nil, {128}, {255}, {40, 255}, bytes.Repeat([]byte{40, 255}, 20)} {
		if n.Update(payload) == nil {
			t.Errorf("% d was taken", payload)
		}
	}
	pcm := make([]int16, 8000)
	if n.Fill(pcm); math.Abs(level(pcm)+40) > 1.5 {
		t.Errorf("now it has %.1f dBov", level(pcm))
	}
}

// TestLevelChangesWithoutAStep.
func TestLevelChangesWithoutAStep(t *testing.T) {
	n, pcm := cn.NewNoise(8000), make([]int16, 8000)
	_ = n.Update([]byte{60})
	n.Fill(pcm)
	_ = n.Update([]byte{20})
	n.Fill(pcm)
	if first, last := rms(pcm[:20]), rms(pcm[4000:]); first > last/5 {
		t.Errorf("from the first moment %.0f, later %.0f", first, last)
	}
}

// TestSilenceAndTonesAreDescribed: nothing divides by nothing, and the filter
// for a pure tone does not ring.
func TestSilenceAndTonesAreDescribed(t *testing.T) {
	a := cn.NewAnalyser(8000)
	if got := a.Append(nil); !bytes.Equal(got, []byte{127}) {
		t.Errorf("of nothing % d", got)
	}
	a.Add(make([]int16, 160))
	a.Add(nil)
	if got := a.Append(nil); !bytes.Equal(got, []byte{127}) {
		t.Errorf("of silence % d", got)
	}
	pcm := make([]int16, 8000)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(float64(i)))
	}
	a.Add(pcm)
	if got := level(second(t, a.Append(nil))); math.Abs(got-level(pcm)) > 6 {
		t.Errorf("noise in place of a tone has %.1f dBov, the tone %.1f", got, level(pcm))
	}
}

// talk is two seconds of background, one of speech by syllables, two of
// background.
func talk(rate int, background, speech float64) []int16 {
	r := rand.New(rand.NewPCG(1, 1))
	pcm := make([]int16, 5*rate)
	for i := range pcm {
		at := float64(i) / float64(rate)
		x := background * r.NormFloat64()
		if at >= 2 && at < 3 {
			x += speech * math.Sin(2*math.Pi*150*at) * max(0, math.Sin(2*math.Pi*4*at))
		}
		pcm[i] = int16(x)
	}
	return pcm
}

func TestVoiceIsToldFromBackground(t *testing.T) {
	for _, c := range []struct {
		rate               int
		background, speech float64
	}{{8000, 0, 2000}, {8000, 30, 2000}, {16000, 300, 6000}, {48000, 30, 500}} {
		v, pcm, size := cn.NewVoice(c.rate), talk(c.rate, c.background, c.speech), c.rate/50
		for i := 0; i < len(pcm)/size; i++ {
			at, got := float64(i)/50, v.Active(pcm[i*size:(i+1)*size])
			switch {
			case at >= 2.06 && at < 3 && !got:
				t.Errorf("%+v: at %.2f s speech is not found", c, at)
			case (at >= 0.4 && at < 2 || at >= 3.4) && got:
				t.Errorf("%+v: at %.2f s background is taken for speech", c, at)
			}
		}
	}
}

// TestBackgroundThatGrowsIsFollowed.
func TestBackgroundThatGrowsIsFollowed(t *testing.T) {
	r, v, pcm := rand.New(rand.NewPCG(1, 1)), cn.NewVoice(8000), make([]int16, 160)
	active := 0
	for i := range 1500 {
		for j := range pcm {
			pcm[j] = int16((30 + float64(10*(i/750*30))) * r.NormFloat64()) // 20 dB more after 15 s
		}
		if v.Active(pcm) && i > 1250 {
			active++
		}
	}
	if active > 0 {
		t.Errorf("10 s later it is taken for speech %d times", active)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	n, a, v := cn.NewNoise(8000), cn.NewAnalyser(8000), cn.NewVoice(8000)
	pcm, payload := make([]int16, 160), make([]byte, 0, 16)
	if allocs := testing.AllocsPerRun(100, func() {
		_ = n.Update([]byte{40, 100, 120})
		n.Fill(pcm)
		v.Active(pcm)
		a.Add(pcm)
		payload = a.Append(payload[:0])
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzUpdate: whatever comes, the noise is not louder than it says.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte{30, 254, 0, 254, 0}, []byte{30})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		n, pcm := cn.NewNoise(8000), make([]int16, 8000)
		for _, payload := range [][]byte{first, second} {
			if n.Update(payload) != nil {
				continue
			}
			n.Fill(pcm)
		}
		n.Fill(pcm)
		loudest := 127
		for _, p := range [][]byte{first, second} {
			if len(p) > 0 {
				loudest = min(loudest, int(p[0]&0x7f))
			}
		}
		if got := level(pcm); got > max(13-float64(loudest), -75) { // below it rounding adds
			t.Fatalf("% d, % d: %.1f dBov", first, second, got)
		}
	})
}

func BenchmarkNoise20ms(b *testing.B) {
	n, pcm := cn.NewNoise(8000), make([]int16, 160)
	_ = n.Update([]byte{40, 100, 120})
	for b.Loop() {
		n.Fill(pcm)
	}
}

func BenchmarkAnalyse20ms(b *testing.B) {
	a, pcm := cn.NewAnalyser(8000), make([]int16, 160)
	for b.Loop() {
		a.Add(pcm)
	}
}

func BenchmarkVoice20ms(b *testing.B) {
	v, pcm := cn.NewVoice(8000), make([]int16, 160)
	for b.Loop() {
		v.Active(pcm)
	}
}
