package conceal_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"tincan/phone/codec"
	"tincan/phone/codec/conceal"
)

var _ codec.Concealer = (*conceal.Concealer)(nil)

var rates = []int{8000, 16000, 32000, 44100, 48000}

// voice has a fundamental and its harmonics up to 3 kHz.
func voice(hz float64, rate, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		at, sum := float64(i)/float64(rate), 0.0
		for h := 1.0; h*hz < 3000; h++ {
			sum += math.Sin(2*math.Pi*hz*h*at) / h
		}
		pcm[i] = int16(6000 * sum)
	}
	return pcm
}

func energy(pcm []int16) float64 {
	var sum float64
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return sum / float64(len(pcm))
}

// steepest is the greatest step between neighbours.
func steepest(pcm []int16) float64 {
	most := 0.0
	for i := 1; i < len(pcm); i++ {
		most = max(most, math.Abs(float64(pcm[i])-float64(pcm[i-1])))
	}
	return most
}

// TestOneLostPacketIsHardlyHeard: of a steady voice, what is made up is 10 dB
// above its error, and nowhere is there a step that the voice has not.
func TestOneLostPacketIsHardlyHeard(t *testing.T) {
	for _, rate := range rates {
		least := 10.0
		if rate == 8000 { // whole samples are coarse for the periods of 3 kHz
			least = 5
		}
		for _, hz := range []float64{80, 110, 145, 190, 230, 310} {
			t.Run(fmt.Sprintf("%d Hz, voice of %.0f", rate, hz), func(t *testing.T) {
				truth := voice(hz, rate, rate/2)
				heard := lose(append([]int16(nil), truth...), rate, map[int]bool{10: true})
				lost := truth[10*rate/50:][:rate/50]
				var wrong float64
				for i, s := range heard[10*rate/50:][:rate/50] {
					wrong += math.Pow(float64(s)-float64(lost[i]), 2) / float64(len(lost))
				}
				if snr := 10 * math.Log10(energy(lost)/wrong); snr < least {
					t.Errorf("made up sound is %.1f dB above its error, want %.0f", snr, least)
				}
				if got, most := steepest(heard), 1.3*steepest(truth); got > most {
					t.Errorf("a step of %.0f, and the voice has none above %.0f", got, most)
				}
			})
		}
	}
}

// lose replaces packets of 20 ms.
func lose(pcm []int16, rate int, lost map[int]bool) []int16 {
	c, size := conceal.New(rate), rate/50
	for i := 0; (i+1)*size <= len(pcm); i++ {
		if lost[i] {
			_, _ = c.Conceal(pcm[i*size : (i+1)*size])
		} else {
			c.History(pcm[i*size : (i+1)*size])
		}
	}
	return pcm
}

// TestLongLossFades: as loud as before at first, silent after 60 ms, and the
// voice comes back whole.
func TestLongLossFades(t *testing.T) {
	for _, rate := range rates {
		truth := voice(130, rate, rate/2)
		lost := map[int]bool{}
		for i := 10; i < 16; i++ {
			lost[i] = true
		}
		heard := lose(append([]int16(nil), truth...), rate, lost)
		packet := func(i int) []int16 { return heard[i*rate/50 : (i+1)*rate/50] }
		if r := energy(packet(10)) / energy(packet(5)); r < 0.6 || r > 1.1 {
			t.Errorf("%d Hz: first lost packet has %.2f of the energy", rate, r)
		}
		if r := energy(packet(11)) / energy(packet(10)); r > 0.7 {
			t.Errorf("%d Hz: second lost packet has %.2f of the first's", rate, r)
		}
		if e := energy(packet(13)); e != 0 {
			t.Errorf("%d Hz: after 60 ms energy is %.0f", rate, e)
		}
		if got, most := steepest(heard), 1.3*steepest(truth); got > most {
			t.Errorf("%d Hz: a step of %.0f, and the voice has none above %.0f", rate, got, most)
		}
		for i, s := range packet(17) {
			if s != truth[17*rate/50+i] {
				t.Fatalf("%d Hz: good packets are changed", rate)
			}
		}
	}
}

// TestAnyCourse: whatever is heard and lost, in pieces of any length, there is
// sound of that length.
func TestAnyCourse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := conceal.New(rapid.SampledFrom([]int{8000, 11025, 48000, 192000}).Draw(t, "rate"))
		for range rapid.IntRange(1, 30).Draw(t, "pieces") {
			pcm := rapid.SliceOfN(rapid.Int16(), 0, 700).Draw(t, "pcm")
			if rapid.Bool().Draw(t, "lost") {
				if n, err := c.Conceal(pcm); n != len(pcm) || err != nil {
					t.Fatal(n, err)
				}
				continue
			}
			c.History(pcm)
		}
	})
}

func TestResetForgets(t *testing.T) {
	c, pcm := conceal.New(8000), voice(100, 8000, 800)
	c.History(pcm)
	c.Reset()
	if _, _ = c.Conceal(pcm[:160]); energy(pcm[:160]) != 0 {
		t.Error("something is left")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	c, pcm := conceal.New(48000), voice(100, 48000, 960)
	if n := testing.AllocsPerRun(100, func() {
		c.History(pcm)
		_, _ = c.Conceal(pcm)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHistoryAndConceal20ms(b *testing.B) {
	for _, rate := range rates {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			c, pcm := conceal.New(rate), voice(100, rate, rate/50)
			b.ReportAllocs()
			for b.Loop() {
				c.History(pcm)
				_, _ = c.Conceal(pcm)
			}
		})
	}
}
