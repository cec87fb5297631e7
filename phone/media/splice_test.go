package media

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
)

// residual gives, for the worst window of 20 ms, how loud that is in a sound
// which is not the sine of hz, in dB below the sine.
func residual(pcm []int16, hz float64, rate int) (worst float64, at int) {
	n := rate / 50
	worst = -200
	for from := 0; from+n <= len(pcm); from += n / 4 {
		if r := residualOf(pcm[from:from+n], hz, rate); r > worst {
			worst, at = r, from
		}
	}
	return worst, at
}

// residualOf fits a sine of any phase and level.
func residualOf(pcm []int16, hz float64, rate int) float64 {
	var ss, sc, cc, xs, xc, xx float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		x := float64(v)
		ss, sc, cc = ss+sin*sin, sc+sin*cos, cc+cos*cos
		xs, xc, xx = xs+x*sin, xc+x*cos, xx+x*x
	}
	det := ss*cc - sc*sc
	a, b := (xs*cc-xc*sc)/det, (xc*ss-xs*sc)/det
	fitted := a*a*ss + 2*a*b*sc + b*b*cc
	return 10 * math.Log10(max(xx-fitted, 1e-3)/max(fitted, 1))
}

// decoder of what a phone hears, which plays packets as they come.
type player struct {
	listener
	decoder codec.Decoder
}

func newPlayer(t *testing.T, f codec.Format) *player {
	d, err := codec.NewDecoder(f)
	if err != nil {
		t.Skip(err)
	}
	return &player{listener{format: f}, d}
}

func (l *player) hear(t *testing.T, packets []heardPacket) {
	t.Helper()
	out := make([]int16, 48000/10)
	for _, p := range packets {
		if l.begun {
			l.check(t, p)
		}
		n, err := l.decoder.Decode(out, p.payload)
		if err != nil {
			t.Fatal(err)
		}
		l.begun, l.last = true, p
		l.next = p.Time + uint32(n*int(l.format.Clock)/l.decoder.Rate())
		l.pcm = append(l.pcm, out[:n]...)
	}
}

// talker says a sine, packet by packet, with one encoder for all.
type talker struct {
	*phone
	sine    func(int) []int16
	encoder codec.Encoder
}

func newTalker(t *testing.T, p *phone, hz float64) *talker {
	e, err := codec.NewEncoder(p.format)
	if err != nil {
		t.Skip(err)
	}
	return &talker{p, sine(hz, -9, e.Rate()), e}
}

func (s *talker) speak() {
	payload := make([]byte, 4000)
	n, err := s.encoder.Encode(payload, s.sine(s.encoder.Rate()/50))
	if err != nil {
		s.t.Fatal(err)
	}
	s.sound(payload[:n])
}

// swing gives the loudest and the faintest 5 ms, in dB against a sine's level.
func swing(pcm []int16, level float64, rate int) (loudest, faintest float64) {
	n := rate / 200
	loudest, faintest = -200, 200
	for from := 0; from+n <= len(pcm); from += n {
		sum := 0.0
		for _, v := range pcm[from : from+n] {
			sum += float64(v) * float64(v)
		}
		dB := 10*math.Log10(max(sum/float64(n), 1)) - 20*math.Log10(32767/math.Sqrt2) - level
		loudest, faintest = max(loudest, dB), min(faintest, dB)
	}
	return loudest, faintest
}

// A sine goes through every change of way, at moments that fit neither packets
// nor ticks. Where the codec delays sound, it is handed on again in a pause, of which
// a sine has none (TestHandedOnAgainInAPause).
func TestSineThroughEachChangeOfWay(t *testing.T) {
	for _, c := range []struct {
		format codec.Format
		most   float64 // dB in what is not the sine
	}{
		{linear, -60},
		{linear2, -60},
		{pcmu, -32}, // -36.7 is the codec's own
		{g722, -20},
		{opus, -20},
	} {
		t.Run(c.format.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sineThroughWays(t, c.format, c.most) })
		})
	}
}

func sineThroughWays(t *testing.T, f codec.Format, most float64) {
	const hz = 440
	e := newTestEngine(t, Config{})
	a, b := newPhone(t, e, "1.1.1.1", f), newPhone(t, e, "2.2.2.2", f)
	says, other := newTalker(t, a, hz), newTalker(t, b, 700)
	bridge := Join(a.flow, b.flow)
	talkFor := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			says.speak()
			time.Sleep(7 * time.Millisecond)
			other.speak()
			time.Sleep(13 * time.Millisecond)
		}
	}
	player := newPlayer(t, f)
	check := func(what string) {
		t.Helper()
		player.hear(t, b.heard())
		warm := player.decoder.Rate() / 10
		from := max(len(player.pcm)-player.decoder.Rate()*6/10, warm)
		worst, at := residual(player.pcm[from:], hz, player.decoder.Rate())
		loudest, faintest := swing(player.pcm[from:], -9, player.decoder.Rate())
		t.Logf("%s: %.1f dB beside the sine, %+.1f to %+.1f dB loud", what, worst, faintest, loudest)
		if worst > most {
			t.Errorf("%s: a click of %.1f dB at %d, want less than %.0f", what, worst, at, most)
		}
		if loudest > 6 || faintest < -12 {
			t.Errorf("%s: the level goes from %+.1f to %+.1f dB", what, faintest, loudest)
		}
		if len(player.gaps) != 0 {
			t.Errorf("%s: gaps %v", what, player.gaps)
		}
		player.gaps = nil
	}
	talkFor(300 * time.Millisecond)
	for i, need := range []Way{WayTranscode, WayRelay, WayMix, WayRelay, WayMix, WayTranscode, WayMix, WayTranscode, WayRelay} {
		before := bridge.Way()
		says.speak()
		time.Sleep(time.Duration(1+3*i%20) * time.Millisecond)
		bridge.Need(need)
		time.Sleep(time.Duration(20-(1+3*i%20)) * time.Millisecond)
		talkFor(400 * time.Millisecond)
		check(fmt.Sprintf("%v to %v", before, bridge.Way()))
	}
}

// The codec changes by re-INVITE while the call stands, also under a mix: the
// sine goes on for the other.
func TestSineThroughAChangeOfCodec(t *testing.T) {
	for _, need := range []Way{WayNone, WayTranscode, WayMix} {
		t.Run(need.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
				says, bridge := newTalker(t, a, 440), Join(a.flow, b.flow)
				bridge.Need(need)
				time.Sleep(time.Millisecond)
				for _, f := range []codec.Format{linear, pcmu, pcma, linear} {
					a.flow.Configure(a.remote(f))
					bridge.Reconfigured()
					a.format, says.encoder = f, must(codec.NewEncoder(f))
					for range 20 {
						says.speak()
						b.speak()
						time.Sleep(20 * time.Millisecond)
					}
				}
				l := newPlayer(t, linear)
				l.hear(t, b.heard())
				if worst, at := residual(l.pcm[320:], 440, 8000); worst > -32 || len(l.gaps) != 0 {
					t.Errorf("a click of %.1f dB at %d of %d, gaps %v", worst, at, len(l.pcm), l.gaps)
				}
			})
		})
	}
}

// A hold ends where it began: the party hears the other again within a packet,
// and no more than the silence between.
func TestSineThroughAHold(t *testing.T) {
	for _, need := range []Way{WayRelay, WayTranscode, WayMix} {
		t.Run(need.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
				says, bridge := newTalker(t, a, 440), Join(a.flow, b.flow)
				bridge.Need(need)
				speak := func(n int) {
					for range n {
						says.speak()
						b.speak()
						time.Sleep(20 * time.Millisecond)
					}
				}
				speak(20)
				bridge.Mute(0, true)
				speak(50)
				b.heard()
				bridge.Mute(0, false)
				before := time.Now()
				speak(20)
				l := newPlayer(t, linear)
				packets := b.heard()
				l.hear(t, packets)
				for len(l.pcm) > 160 && meanAmplitude(l.pcm[:160]) < 100 { // a mix is never silent on the wire
					l.pcm, packets = l.pcm[160:], packets[1:]
				}
				if late := packets[0].sent.at.Sub(before); late > 40*time.Millisecond {
					t.Errorf("heard again after %v", late)
				}
				if worst, at := residual(l.pcm[160:], 440, 8000); worst > -32 {
					t.Errorf("a click of %.1f dB at %d of %d", worst, at, len(l.pcm))
				}
			})
		})
	}
}
