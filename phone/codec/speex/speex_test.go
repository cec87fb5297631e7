//go:build cgo

package speex

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var rates = []int{8000, 16000, 32000}

func tone(hz float64, rate, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return pcm
}

func level(pcm []int16, hz float64, rate int) float64 {
	var re, im float64
	for i, s := range pcm {
		w := 2 * math.Pi * hz * float64(i) / float64(rate)
		re, im = re+float64(s)*math.Cos(w), im+float64(s)*math.Sin(w)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func energy(pcm []int16) (sum float64) {
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return sum
}

func pair(t testing.TB, rate int) (*Encoder, *Decoder) {
	t.Helper()
	e, err := NewEncoder(rate, Params{Mode: NoMode})
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder(rate)
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

func payload(t testing.TB, e *Encoder, pcm []int16) []byte {
	t.Helper()
	p := make([]byte, 500)
	n, err := e.Encode(p, pcm)
	if err != nil {
		t.Fatal(err)
	}
	return p[:n]
}

func TestToneComesBackInPacketsOfAnyNumberOfFrames(t *testing.T) {
	for _, rate := range rates {
		for n := 1; n <= 3; n++ {
			e, d := pair(t, rate)
			pcm, back := tone(440, rate, 60*rate/50), []int16(nil)
			for size := n * e.Frame(); len(pcm) > 0; pcm = pcm[size:] {
				p, dst := payload(t, e, pcm[:size]), make([]int16, size)
				if got, err := d.Decode(dst, p); got != size || err != nil {
					t.Fatalf("%d Hz: %d samples, want %d, %v", rate, got, size, err)
				}
				back = append(back, dst...)
			}
			if got := level(back[rate/5:], 440, rate); got < 6000 || got > 10000 {
				t.Errorf("%d Hz, %d frames: level %.0f, want 8000", rate, n, got)
			}
		}
	}
}

// TestOtherBandsAreHeard: layers that a decoder lacks are passed over, and those
// it has and are not sent are left empty (RFC 5574 3.1).
func TestOtherBandsAreHeard(t *testing.T) {
	for _, from := range rates {
		for _, to := range rates {
			e, _ := pair(t, from)
			_, d := pair(t, to)
			dst := make([]int16, 3*d.Frame())
			if n, err := d.Decode(dst, payload(t, e, tone(440, from, 3*e.Frame()))); n != len(dst) || err != nil {
				t.Errorf("%d Hz heard at %d: %d samples, %v", from, to, n, err)
			}
		}
	}
}

func TestWrongLengthsAreErrors(t *testing.T) {
	e, d := pair(t, 8000)
	for _, n := range []int{0, 1, 159, 161} {
		if _, err := e.Encode(make([]byte, 99), make([]int16, n)); err == nil {
			t.Errorf("%d samples were encoded", n)
		}
	}
	p := payload(t, e, tone(440, 8000, 320))
	for n := range len(p) - 1 {
		if got, err := d.Decode(make([]int16, 320), p[:n]); err == nil && got != 160 {
			t.Errorf("%d bytes of %d gave %d samples", n, len(p), got)
		}
	}
	if _, err := d.Decode(make([]int16, 319), p); err == nil {
		t.Error("319 samples were enough for two frames")
	}
	if _, err := e.Encode(make([]byte, 5), make([]int16, 320)); err == nil {
		t.Error("5 bytes were enough for two frames")
	}
	if _, err := e.Encode(nil, make([]int16, 320)); err == nil {
		t.Error("no bytes were enough for two frames")
	}
	if _, err := NewEncoder(44100, Params{Mode: NoMode}); err == nil {
		t.Error("44100 Hz was taken")
	}
	if _, err := NewDecoder(44100); err == nil {
		t.Error("44100 Hz was taken")
	}
}

func TestConcealFillsAnyLengthAndFades(t *testing.T) {
	for _, rate := range rates {
		e, d := pair(t, rate)
		said, dst := tone(440, rate, e.Frame()), make([]int16, e.Frame())
		for range 20 {
			if _, err := d.Decode(dst, payload(t, e, said)); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := d.Conceal(dst); n != len(dst) || err != nil || energy(dst) < energy(said)/50 {
			t.Errorf("%d Hz: first %d samples, %v, energy %.0f", rate, n, err, energy(dst))
		}
		for _, n := range []int{1, d.Frame() - 1, d.Frame() + 1, 3 * d.Frame()} {
			if got, err := d.Conceal(make([]int16, n)); got != n || err != nil {
				t.Errorf("%d Hz: %d of %d samples, %v", rate, got, n, err)
			}
		}
		for range 50 {
			_, _ = d.Conceal(dst)
		}
		if energy(dst) > energy(said)/1000 {
			t.Errorf("%d Hz: after a second energy is %.0f of %.0f", rate, energy(dst), energy(said))
		}
	}
}

// TestWalkerAgreesWithLibrary: of random bytes, those that the walker takes are
// as many frames to the library.
func TestWalkerAgreesWithLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	taken := 0
	for range 20000 {
		p := make([]byte, 1+r.IntN(80))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		for layers, rate := range rates {
			n, err := frames(p, layers)
			if err != nil {
				continue
			}
			taken++
			_, d := pair(t, rate)
			dst := make([]int16, (n+1)*d.Frame())
			if got, err := d.decode(dst, p, n); err != nil {
				t.Fatalf("%d Hz, %x: %d of %d frames", rate, p, got, n)
			}
		}
	}
	if taken < 1000 {
		t.Errorf("only %d payloads were taken", taken)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	e, d := pair(t, 16000)
	pcm, p := tone(440, 16000, 320), make([]byte, 200)
	if allocs := testing.AllocsPerRun(100, func() {
		n, _ := e.Encode(p, pcm)
		_, _ = d.Decode(pcm, p[:n])
		_, _ = d.Conceal(pcm)
	}); allocs != 0 {
		t.Errorf("%v allocations a packet", allocs)
	}
}

// FuzzDecode: what is taken is whole frames, and nothing is written beyond dst.
func FuzzDecode(f *testing.F) {
	for _, rate := range rates {
		e, _ := pair(f, rate)
		f.Add(payload(f, e, tone(900, rate, 2*e.Frame())))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, rate := range rates {
			_, d := pair(t, rate)
			const room, guard = 6400, 12345
			pcm := make([]int16, room+1)
			pcm[room] = guard
			n, err := d.Decode(pcm[:room], p)
			if pcm[room] != guard || n > room || n%d.Frame() != 0 || (err == nil) != (n > 0) {
				t.Fatalf("%d Hz: %d samples, %v", rate, n, err)
			}
			if k, err := d.Conceal(pcm[:160]); k != 160 || err != nil {
				t.Fatalf("%d Hz: afterwards %d samples, %v", rate, k, err)
			}
		}
	})
}

func BenchmarkEncode20ms(b *testing.B) {
	for _, rate := range rates {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			e, _ := pair(b, rate)
			pcm, p := tone(440, rate, e.Frame()), make([]byte, 200)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = e.Encode(p, pcm)
			}
		})
	}
}

func BenchmarkDecode20ms(b *testing.B) {
	for _, rate := range rates {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			e, d := pair(b, rate)
			pcm := tone(440, rate, e.Frame())
			p := payload(b, e, pcm)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = d.Decode(pcm, p)
			}
		})
	}
}
