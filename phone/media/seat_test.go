package media

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
)

// sine gives a phone's words: a tone whose phase goes on from call to call.
func sine(hz, level float64, rate int) func(n int) []int16 {
	phase := 0.0
	return func(n int) []int16 {
		pcm := make([]int16, n)
		for i := range pcm {
			pcm[i] = int16(math.Round(32767 * math.Pow(10, level/20) * math.Sin(phase)))
			phase += 2 * math.Pi * hz / float64(rate)
		}
		return pcm
	}
}

// Three phones with codecs of their own, each with a call to a seat.
func TestSeatsHearAllButThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		m := NewMixer(e, MixerConfig{})
		formats := []codec.Format{pcmu, pcma, linear2}
		hz := []float64{500, 900, 1400}
		var phones []*phone
		var says []func(int) []int16
		var bridges []*Bridge
		for i, f := range formats {
			p := newPhone(t, e, []string{"1.1.1.1", "2.2.2.2", "3.3.3.3"}[i], f)
			b := Join(p.flow, m.Seat(SeatOptions{}))
			if b.Way() != WayMix || b.Err() != nil {
				t.Fatalf("%v: way %v, %v", f, b.Way(), b.Err())
			}
			phones, bridges = append(phones, p), append(bridges, b)
			says = append(says, sine(hz[i], -12, int(f.Clock)))
		}
		time.Sleep(time.Millisecond)
		for range 50 {
			for i, p := range phones {
				p.say(says[i](int(p.format.Clock) / 50))
			}
			time.Sleep(20 * time.Millisecond)
		}
		want := 32767 * math.Pow(10, -12.0/20)
		for i, p := range phones {
			l := &listener{format: p.format}
			l.hear(t, p.heard())
			for j := range phones {
				got := toneLevel(l.pcm[len(l.pcm)/2:], hz[j], p.format.Clock)
				if i == j && got > want/30 || i != j && math.Abs(20*math.Log10(got/want)) > 1 {
					t.Errorf("phone %d hears %.0f of phone %d, who says %.0f", i, got, j, want)
				}
			}
			if len(l.gaps) != 0 {
				t.Errorf("phone %d: gaps %v", i, l.gaps)
			}
		}
		for i, s := range m.Seats() {
			bridges[i].Close()
			s.Close()
		}
		if !e.pacer.idle() {
			t.Error("an empty mixer still ticks")
		}
	})
}
