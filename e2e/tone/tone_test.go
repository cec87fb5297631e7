package tone

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestSineIsFoundAtItsFrequencyAlone(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		s := Sine(440, time.Second, rate)
		if got := s.Longest(440); got != time.Second {
			t.Errorf("at %d Hz: heard 440 for %v, want all of 1s", rate, got)
		}
		if got := s.Total(880); got != 0 {
			t.Errorf("at %d Hz: heard 880 for %v, want none", rate, got)
		}
	}
}

func TestGapBreaksTheLongestButNotTheTotal(t *testing.T) {
	s := Sine(600, 400*time.Millisecond, 8000)
	silence := make([]float64, 800)
	s.Samples = append(append(s.Samples, silence...), s.Samples[:1600]...)
	if got, want := s.Longest(600), 400*time.Millisecond; got != want {
		t.Errorf("longest %v, want %v", got, want)
	}
	if got := s.Total(600); got < 560*time.Millisecond || got > 600*time.Millisecond {
		t.Errorf("total %v, want about 600ms less the windows cut by the gap", got)
	}
}

func TestNoiseAndSilenceAreNoTone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := Sound{Rate: 8000, Samples: make([]float64, 8000)}
	for i := range noise.Samples {
		noise.Samples[i] = random.Float64() - 0.5
	}
	silence := Sound{Rate: 8000, Samples: make([]float64, 8000)}
	for name, s := range map[string]Sound{"noise": noise, "silence": silence, "nothing": {}} {
		if got := s.Total(440); got != 0 {
			t.Errorf("heard 440 in %s for %v", name, got)
		}
	}
}

func TestAfterCutsTheStart(t *testing.T) {
	s := Sine(500, time.Second, 8000)
	if got, want := s.After(300*time.Millisecond).Duration(), 700*time.Millisecond; got != want {
		t.Errorf("left %v, want %v", got, want)
	}
	if got := s.After(time.Hour).Duration(); got != 0 {
		t.Errorf("left %v past the end", got)
	}
}

func TestWAVRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sound := Sound{
			Rate:    rapid.SampledFrom([]int{8000, 16000, 48000}).Draw(t, "rate"),
			Samples: rapid.SliceOf(rapid.Float64Range(-1, 1)).Draw(t, "samples"),
		}
		got, err := Decode(Encode(sound))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sound, got, cmpopts.EquateApprox(0, 1.0/fullScale), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

func TestGrowingFileIsReadToItsEnd(t *testing.T) {
	b := Encode(Sine(440, time.Second, 8000))
	copy(b[40:44], []byte{0, 0, 0, 0}) // the recorder has not filled in the length
	s, err := Decode(b[:len(b)-3])     // nor finished its last samples
	if err != nil {
		t.Fatal(err)
	}
	if got := len(s.Samples); got != 7998 {
		t.Errorf("read %d samples, want 7998", got)
	}
}

func TestUnfinishedFileIsReadWithoutItsHeader(t *testing.T) {
	b := Encode(Sine(440, time.Second, 16000))
	clear(b[:44])
	if got := DecodeUnfinished(b, 16000).Longest(440); got != time.Second {
		t.Errorf("heard 440 for %v, want all of 1s", got)
	}
	if got := DecodeUnfinished(b[:20], 16000).Duration(); got != 0 {
		t.Errorf("half a header plays for %v", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(Sine(440, 10*time.Millisecond, 8000)))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		for _, x := range s.Samples {
			if math.Abs(x) > 1 {
				t.Fatalf("sample %v is beyond full scale", x)
			}
		}
		again, err := Decode(Encode(s))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, again, cmpopts.EquateApprox(0, 1.0/fullScale), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

func TestKeysAreHeard(t *testing.T) {
	s := Keys("5#", 4*time.Second, 8000)
	for key, pressed := range map[rune]bool{'5': true, '#': true, '7': false} {
		row, column, ok := Key(key)
		if heard := s.Chord(row, column); !ok || (heard >= keyLength-window) != pressed {
			t.Errorf("%c is heard for %v", key, heard)
		}
	}
	if _, _, ok := Key('x'); ok {
		t.Error("x is a key")
	}
}
