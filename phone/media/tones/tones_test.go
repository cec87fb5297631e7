package tones

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func sound(c Cadence, seconds float64) []int16 {
	s := c.Source()
	var pcm []int16
	block := make([]int16, s.Rate/50)
	for float64(len(pcm)) < seconds*float64(s.Rate) && s.Next(block) {
		pcm = append(pcm, block...)
	}
	return pcm
}

// power is how loud a frequency is, against a full sine, in dB.
func power(pcm []int16, hz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / rate)
		re, im = re+cos*float64(v), im+sin*float64(v)
	}
	return 20 * math.Log10(2*math.Hypot(re, im)/float64(len(pcm))/math.MaxInt16+1e-9)
}

func TestEveryCountry(t *testing.T) {
	for _, code := range Countries() {
		for _, kind := range Kinds() {
			c, err := Find(code, kind)
			if err != nil {
				t.Errorf("%s %s: %v", code, kind, err)
				continue
			}
			if again, err := Parse(c.String()); err != nil || !slices.Equal(again, c) {
				t.Errorf("%s %s: %v, %v", code, kind, again, err)
			}
			pcm := sound(c, 0.2)
			loudest := int16(0)
			for _, v := range pcm {
				loudest = max(loudest, v)
			}
			if loudest < 3000 || loudest > 9000 {
				t.Errorf("%s %s: the loudest sample is %d", code, kind, loudest)
			}
		}
	}
	for _, c := range []struct{ country, kind string }{{"xx", "busy"}, {"de", "jingle"}} {
		if _, err := Find(c.country, c.kind); !errors.Is(err, ErrUnknown) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestCadenceIsHeard(t *testing.T) {
	c, err := Find("us", "ring")
	if err != nil {
		t.Fatal(err)
	}
	pcm := sound(c, 12)
	for _, at := range []int{0, 6} {
		on, off := pcm[at*rate:(at+2)*rate], pcm[(at+2)*rate:(at+6)*rate]
		if a, b := power(on, 440), power(on, 480); math.Abs(a+level+6) > 0.5 || math.Abs(b+level+6) > 0.5 {
			t.Errorf("440 Hz at %.1f dB, 480 at %.1f", a, b)
		}
		if slices.Max(off) != 0 || slices.Min(off) != 0 {
			t.Error("no silence between")
		}
	}
}

func TestOnce(t *testing.T) {
	c, err := Parse("!950/100,!1400/100,425/100")
	if err != nil {
		t.Fatal(err)
	}
	pcm := sound(c, 0.6)
	for i, hz := range []float64{950, 1400, 425, 425, 425, 425} {
		if p := power(pcm[i*800:(i+1)*800], hz); p < -level-1 {
			t.Errorf("part %d: %v Hz at %.1f dB", i, hz, p)
		}
	}
	once, err := Parse("!950/100")
	if err != nil {
		t.Fatal(err)
	}
	if pcm := sound(once, 0.3); slices.Max(pcm[800:]) != 0 {
		t.Error("what is played once goes on")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"425/1000,0/4000", "!950/330,!1400/330,0", "400*25/400", "350+440", "1/0", "99999", "", ",", "+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(c.String())
		if err != nil || !slices.Equal(again, c) {
			t.Fatalf("%q became %q, %v", text, c.String(), err)
		}
		sound(c, 0.1)
	})
}
