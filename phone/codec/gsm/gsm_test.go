//go:build cgo

package gsm_test

import (
	"math"
	"runtime"
	"testing"

	"tincan/phone/codec/gsm"
)

func tone(hz float64, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/gsm.Rate))
	}
	return pcm
}

// level gives the amplitude of one frequency.
func level(pcm []int16, hz float64) float64 {
	var re, im float64
	for i, s := range pcm {
		w := 2 * math.Pi * hz * float64(i) / gsm.Rate
		re, im = re+float64(s)*math.Cos(w), im+float64(s)*math.Sin(w)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func pair(t testing.TB) (*gsm.Encoder, *gsm.Decoder) {
	t.Helper()
	e, err := gsm.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	d, err := gsm.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

func TestToneComesBackInPacketsOfAnyNumberOfFrames(t *testing.T) {
	for frames := 1; frames <= 3; frames++ {
		e, d := pair(t)
		pcm, back := tone(440, 9600), []int16(nil)
		for ; len(pcm) > 0; pcm = pcm[160*frames:] {
			payload, dst := make([]byte, 33*frames), make([]int16, 160*frames)
			if n, err := e.Encode(payload, pcm[:160*frames]); n != len(payload) || err != nil {
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
	for _, n := range []int{0, 1, 159, 161} {
		if _, err := e.Encode(make([]byte, 99), make([]int16, n)); err == nil {
			t.Errorf("%d samples were encoded", n)
		}
	}
	payload := make([]byte, 66)
	if _, err := e.Encode(payload, make([]int16, 320)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 32, 34, 65} { // 65 is Microsoft's, not RTP's
		if _, err := d.Decode(make([]int16, 320), payload[:n]); err == nil {
			t.Errorf("%d bytes were decoded", n)
		}
	}
	if _, err := d.Decode(make([]int16, 319), payload); err == nil {
		t.Error("319 samples were enough for two frames")
	}
	if _, err := e.Encode(make([]byte, 65), make([]int16, 320)); err == nil {
		t.Error("65 bytes were enough for two frames")
	}
	payload[33] = 0xc0
	if _, err := d.Decode(make([]int16, 320), payload); err == nil {
		t.Error("a frame without its mark was decoded")
	}
}

// TestStatesAreFreed: a hundred thousand streams of 650 bytes each leave nothing.
func TestStatesAreFreed(t *testing.T) {
	for range 100000 {
		pair(t)
	}
	runtime.GC() // the cleanups' turn; a leak shows under valgrind, a double free here
}

func TestNothingIsAllocated(t *testing.T) {
	e, d := pair(t)
	pcm, payload := tone(440, 160), make([]byte, 33)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = e.Encode(payload, pcm)
		_, _ = d.Decode(pcm, payload)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// FuzzDecode: what is taken gives 160 samples a frame, and nothing is written
// beyond.
func FuzzDecode(f *testing.F) {
	e, err := gsm.NewEncoder()
	if err != nil {
		f.Fatal(err)
	}
	payload := make([]byte, 99)
	if _, err := e.Encode(payload, tone(900, 480)); err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add(payload[:33])
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, d := pair(t)
		frames := len(payload) / 33
		pcm := make([]int16, 160*frames+1)
		pcm[160*frames] = 12345
		n, err := d.Decode(pcm[:160*frames], payload)
		if (err == nil) != (n > 0) || (n > 0 && n*33 != 160*len(payload)) || pcm[160*frames] != 12345 {
			t.Fatalf("%d bytes gave %d samples, %v", len(payload), n, err)
		}
	})
}

func BenchmarkEncode20ms(b *testing.B) {
	e, _ := pair(b)
	pcm, payload := tone(440, 160), make([]byte, 33)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = e.Encode(payload, pcm)
	}
}

func BenchmarkDecode20ms(b *testing.B) {
	e, d := pair(b)
	pcm, payload := tone(440, 160), make([]byte, 33)
	_, _ = e.Encode(payload, pcm)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Decode(pcm, payload)
	}
}
