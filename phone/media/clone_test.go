package media

import (
	"math"
	"math/rand/v2"
	"testing"

	"tincan/phone/codec"
)

// chatter is a voice of sorts: harmonics of a pitch that wanders, by syllables, over
// the hiss of a room.
func chatter(rate int) func(n int) []int16 {
	r := rand.New(rand.NewPCG(6, 10))
	phase, at := 0.0, 0
	return func(n int) []int16 {
		pcm := make([]int16, n)
		for i := range pcm {
			now := float64(at) / float64(rate)
			phase += 2 * math.Pi * (140 + 30*math.Sin(2*math.Pi*1.3*now)) / float64(rate)
			sum := 0.0
			for k := 1; k <= 12; k++ {
				sum += math.Sin(float64(k)*phase) / float64(k)
			}
			pcm[i] = int16(4000*sum*(0.2+math.Abs(math.Sin(2*math.Pi*3*now))) + 40*r.NormFloat64())
			at++
		}
		return pcm
	}
}

// strangeness is how much what a phone hears differs, in dB of the sound, in 100 ms
// after its packets come from a copy of the encoder.
func strangeness(t *testing.T, f codec.Format, copied func(*speech) (*speech, error)) float64 {
	t.Helper()
	s, err := newSpeech(f, 20, 8000)
	if err != nil {
		t.Skip(err)
	}
	voice := chatter(8000)
	worst := math.Inf(-1)
	for range 20 { // moments
		var packets kept
		s.say(voice(8000), 0, &packets)
		c, err := copied(s)
		if err != nil {
			t.Fatal(err)
		}
		rest := voice(800)
		var own, other kept
		c.say(rest, 0, &other)
		s.say(rest, 0, &own)
		a, b := heardBy(t, f, append(packets[:len(packets):len(packets)], own...)), heardBy(t, f, append(packets, other...))
		from := len(a) - len(own)*len(a)/(len(packets)+len(own))
		diff, all := 0.0, 1.0
		for i := from; i < min(len(a), len(b)); i++ {
			d := float64(a[i]) - float64(b[i])
			diff += d * d
			all += float64(a[i]) * float64(a[i])
		}
		worst = max(worst, 10*math.Log10(max(diff, 1)/all))
	}
	return worst
}

// heardBy decodes packets as a phone does.
func heardBy(t *testing.T, f codec.Format, packets kept) (pcm []int16) {
	t.Helper()
	d, err := codec.NewDecoder(f)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]int16, 4096)
	for _, u := range packets {
		n, err := d.Decode(buf, u.payload)
		if err != nil {
			t.Fatal(err)
		}
		pcm = append(pcm, buf[:n]...)
	}
	return pcm
}

// An encoder that cannot be copied is primed: what the phone hears of the copy is
// much nearer to what it would have heard than from one that begins anew.
func TestCopyOfAnEncoderIsPrimed(t *testing.T) {
	speex8 := codec.Format{PT: 97, Name: "speex", Clock: 8000, Channels: 1}
	g729 := codec.Format{PT: 18, Name: "g729", Clock: 8000, Channels: 1}
	for _, f := range []codec.Format{gsm, speex8, speex, g729} {
		t.Run(f.String(), func(t *testing.T) {
			primed := strangeness(t, f, (*speech).clone)
			anew := strangeness(t, f, func(s *speech) (*speech, error) { return newSpeech(s.format, s.ptime, s.rate) })
			t.Logf("primed %.1f dB, anew %.1f dB", primed, anew)
			if primed > -6 || primed > anew-6 {
				t.Error("priming is of little use")
			}
		})
	}
}
