//go:build cgo && g729

package g729_test

import (
	"math"
	"testing"

	"tincan/phone/codec/g729"
)

func tone(hz float64, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/g729.Rate))
	}
	return pcm
}

func level(pcm []int16, hz float64) float64 {
	var re, im float64
	for i, s := range pcm {
		w := 2 * math.Pi * hz * float64(i) / g729.Rate
		re, im = re+float64(s)*math.Cos(w), im+float64(s)*math.Sin(w)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func pair(t testing.TB) (*g729.Encoder, *g729.Decoder) {
	t.Helper()
	e, err := g729.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	d, err := g729.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

func TestToneComesBackInPacketsOfAnyNumberOfFrames(t *testing.T) {
	for frames := 1; frames <= 6; frames++ {
		e, d := pair(t)
		pcm, back := tone(440, 9600), []int16(nil)
		for size := 80 * frames; len(pcm) >= size; pcm = pcm[size:] {
			payload, dst := make([]byte, 10*frames), make([]int16, size)
			if n, err := e.Encode(payload, pcm[:size]); n != len(payload) || err != nil {
				t.Fatal(n, err)
			}
			if n, err := d.Decode(dst, payload); n != len(dst) || err != nil {
				t.Fatal(n, err)
			}
			back = append(back, dst...)
		}
		if got := level(back[1600:], 440); got < 6000 || got > 10000 {
			t.Errorf("%d frames: level %.0f, want 8000", frames, got)
		}
	}
}

func TestWrongLengthsAreErrors(t *testing.T) {
	e, d := pair(t)
	for _, n := range []int{0, 1, 79, 81} {
		if _, err := e.Encode(make([]byte, 99), make([]int16, n)); err == nil {
			t.Errorf("%d samples were encoded", n)
		}
	}
	if _, err := e.Encode(make([]byte, 19), make([]int16, 160)); err == nil {
		t.Error("19 bytes were enough for two frames")
	}
	for _, n := range []int{0, 1, 3, 9, 11, 19} {
		if _, err := d.Decode(make([]int16, 320), make([]byte, n)); err == nil {
			t.Errorf("%d bytes were decoded", n)
		}
	}
	if _, err := d.Decode(make([]int16, 159), make([]byte, 12)); err == nil {
		t.Error("159 samples were enough for sound and noise")
	}
}

// TestNoiseIsDecodedAndGoesOn: a frame of noise, alone or behind sound, and what
// follows while nothing is sent.
func TestNoiseIsDecodedAndGoesOn(t *testing.T) {
	_, d := pair(t)
	dst := make([]int16, 160)
	for payload, want := range map[string]int{"\x12\x34": 80, "0123456789\x12\x34": 160} {
		if n, err := d.Decode(dst, []byte(payload)); n != want || err != nil {
			t.Errorf("%d bytes gave %d samples, %v", len(payload), n, err)
		}
	}
	for _, n := range []int{1, 80, 100, 480} {
		if got, err := d.Conceal(make([]int16, n)); got != n || err != nil {
			t.Errorf("%d of %d samples, %v", got, n, err)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	e, d := pair(t)
	pcm, payload := tone(440, 160), make([]byte, 20)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = e.Encode(payload, pcm)
		_, _ = d.Decode(pcm, payload)
		_, _ = d.Conceal(pcm)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// FuzzDecode: what is taken gives 80 samples a frame, and nothing is written
// beyond.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("0123456789\x12\x34"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, d := pair(t)
		pcm := make([]int16, 8*len(payload)+81)
		for i := range pcm {
			pcm[i] = 12345
		}
		n, err := d.Decode(pcm[:len(pcm)-1], payload)
		if (err == nil) != (n > 0) || n%80 != 0 || pcm[len(pcm)-1] != 12345 {
			t.Fatalf("%d bytes gave %d samples, %v", len(payload), n, err)
		}
		if n, err := d.Conceal(pcm[:50]); n != 50 || err != nil {
			t.Fatal(n, err)
		}
	})
}

func BenchmarkEncode20ms(b *testing.B) {
	e, _ := pair(b)
	pcm, payload := tone(440, 160), make([]byte, 20)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = e.Encode(payload, pcm)
	}
}

func BenchmarkDecode20ms(b *testing.B) {
	e, d := pair(b)
	pcm, payload := tone(440, 160), make([]byte, 20)
	_, _ = e.Encode(payload, pcm)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Decode(pcm, payload)
	}
}
