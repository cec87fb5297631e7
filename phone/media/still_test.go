package media

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// hiss is noise of a level in dBov.
func hiss(level float64) func(n int) []int16 {
	r := rand.New(rand.NewPCG(3, 389))
	return func(n int) []int16 {
		pcm := make([]int16, n)
		for i := range pcm {
			pcm[i] = int16(math.Round(32767 * math.Pow(10, level/20) * r.NormFloat64()))
		}
		return pcm
	}
}

// stillSpeech is a speech to a party that takes comfort noise.
func stillSpeech(t *testing.T, f codec.Format) *speech {
	t.Helper()
	s, err := newSpeech(f, 20, 8000)
	if err != nil {
		t.Fatal(err)
	}
	s.still = newStill(s.encoder.Rate(), f.Clock)
	return s
}

// said lets a speech say so many packets.
func said(s *speech, packets int, sound func(int) []int16) (out spoken) {
	for range packets {
		s.say(sound(160), 0, (*kept)(&out))
	}
	return out
}

// kept is spoken with payloads of its own.
type kept spoken

func (k *kept) hear(u utterance) {
	u.payload = append([]byte(nil), u.payload...)
	*k = append(*k, u)
}

// Silence is described after a hangover, at its level, once a second and when it
// changes; then sound goes on in its time, with the mark of a talkspurt.
func TestSilenceIsDescribed(t *testing.T) {
	s := stillSpeech(t, pcmu)
	voice := sine(440, -20, 8000)
	if out := said(s, 50, voice); len(out) != 50 {
		t.Fatalf("%d packets of sound", len(out))
	}
	out := said(s, 100, hiss(-60))
	sound := 0
	for sound < len(out) && !out[sound].noise {
		sound++
	}
	if sound < int(stillAfter/tickEvery) || sound > 2*int(stillAfter/tickEvery) {
		t.Errorf("%d packets of silence are said", sound)
	}
	if n := len(out) - sound; n < 2 || n > 3 {
		t.Errorf("%d descriptions in two seconds", n)
	}
	for _, u := range out[sound:] {
		if !u.noise || u.marker || math.Abs(float64(u.payload[0])-60) > 2 || len(u.payload) < 2 {
			t.Errorf("described as %+v", u)
		}
		if u.time%160 != 0 {
			t.Errorf("at %d", u.time)
		}
	}
	louder := said(s, 10, hiss(-54))
	if len(louder) == 0 || !louder[0].noise {
		t.Errorf("a change of 6 dB is told by %+v", louder)
	}
	again := said(s, 2, voice)
	if len(again) != 2 || again[0].noise || !again[0].marker || again[1].marker || again[0].time != 160*160 {
		t.Errorf("sound again: %+v", again)
	}
}

// What is no silence is never taken for it: a steady tone, soft music, speech with
// pauses.
func TestSoundIsNotSilence(t *testing.T) {
	for name, sound := range map[string]func(int) []int16{
		"steady tone": sine(1000, -30, 8000), "soft tone": sine(400, -45, 8000), "loud noise": hiss(-40),
	} {
		for i, u := range said(stillSpeech(t, pcmu), 3000, sound) {
			if u.noise {
				t.Errorf("%s: silence after %d packets", name, i)
				break
			}
		}
	}
	s, voice := stillSpeech(t, pcmu), sine(200, -25, 8000)
	for range 20 {
		for _, u := range append(said(s, 10, voice), said(s, 10, hiss(-65))...) { // a word, a pause of 200 ms
			if u.noise {
				t.Fatal("silence between words")
			}
		}
	}
}

// Of sound at another rate than the noise's clock the level alone is told.
func TestSilenceOfWideband(t *testing.T) {
	s := stillSpeech(t, g722)
	out := said(s, 100, hiss(-60))
	if u := out[len(out)-1]; !u.noise || len(u.payload) != 1 || math.Abs(float64(u.payload[0])-60) > 2 {
		t.Errorf("described as %+v", u)
	}
}

// A copy goes on from where the silence is.
func TestSilenceIsCloned(t *testing.T) {
	s := stillSpeech(t, pcmu)
	said(s, 100, hiss(-60))
	c, err := s.clone()
	if err != nil {
		t.Fatal(err)
	}
	if out := said(c, 10, hiss(-60)); len(out) != 0 {
		t.Errorf("the copy says %+v", out)
	}
	if said(s, 1, sine(440, -20, 8000)); !c.still.silent || s.still.silent {
		t.Error("the two are one")
	}
}

func TestWhoIsToldOfSilence(t *testing.T) {
	for f, want := range map[codec.Format]bool{pcmu: true, g722: true, gsm: true, opus: false, speex: false, linear2: false} {
		if got := noiseOf(f, []codec.Format{f, comfort}) != nil; got != want {
			t.Errorf("%v: %v", f, got)
		}
	}
	if noiseOf(pcmu, []codec.Format{pcmu}) != nil {
		t.Error("who does not take it")
	}
}

// In a conference, one who hears nobody is told of silence, and hears the other when
// it speaks: one unbroken stream. Likewise of a party whose sound is transcoded.
func TestSilenceOfOurMaking(t *testing.T) {
	for _, how := range []string{"seats", "transcode", "mix"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				a, b := newPhone(t, e, "1.1.1.1", pcmu, comfort), newPhone(t, e, "2.2.2.2", pcma)
				if how == "seats" {
					m := NewMixer(e, MixerConfig{})
					Join(a.flow, m.Seat(SeatOptions{}))
					Join(b.flow, m.Seat(SeatOptions{}))
				} else {
					Join(a.flow, b.flow).Need(map[string]Way{"mix": WayMix, "transcode": WayTranscode}[how])
				}
				var all []heardPacket
				hears := func(sound func(int) []int16) (packets, noise int) {
					for range 100 {
						b.say(sound(160))
						time.Sleep(20 * time.Millisecond)
					}
					now := a.heard()
					all = append(all, now...)
					for _, p := range now {
						if p.PT == comfort.PT {
							noise++
						}
					}
					return len(now) - noise, noise
				}
				if sound, _ := hears(sine(440, -20, 8000)); sound < 95 {
					t.Errorf("%d packets of sound", sound)
				}
				if sound, noise := hears(hiss(-70)); sound > 30 || noise < 1 || noise > 5 {
					t.Errorf("%d packets and %d descriptions of silence", sound, noise)
				}
				if sound, _ := hears(sine(440, -20, 8000)); sound < 95 {
					t.Errorf("%d packets of sound again", sound)
				}
				for i, p := range all[1:] {
					before := all[i]
					if p.SSRC != before.SSRC || p.Seq != before.Seq+1 || int32(p.Time-before.Time) < 160 {
						t.Fatalf("%+v after %+v", p.Header, before.Header)
					}
				}
				if f := a.flow.Stats().Sending; f.Name != "pcmu" {
					t.Errorf("it is said to be sent %v", f)
				}
			})
		})
	}
}

// A party that does not take comfort noise any more is sent none.
func TestNoiseIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu, comfort), newPhone(t, e, "2.2.2.2", pcma)
		bridge := Join(a.flow, b.flow)
		hears := func() (noise int) {
			for range 50 {
				b.say(hiss(-70)(160))
				time.Sleep(20 * time.Millisecond)
			}
			for _, p := range a.heard() {
				if p.PT == comfort.PT {
					noise++
				}
			}
			return noise
		}
		if hears() == 0 {
			t.Error("no description of silence")
		}
		a.flow.Configure(a.remote(pcmu))
		bridge.Reconfigured()
		if n := hears(); n > 0 {
			t.Errorf("%d descriptions to who takes none", n)
		}
	})
}

// The silence that one party describes is handed on to one of another codec.
func TestDescribedSilenceIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu, comfort), newPhone(t, e, "2.2.2.2", pcma, comfort)
		Join(a.flow, b.flow)
		says := sine(440, -20, 8000)
		for range 20 {
			a.say(says(160))
			time.Sleep(20 * time.Millisecond)
		}
		b.heard()
		for range 3 {
			a.send(false, a.addr, a.packet(rtp.Header{PT: comfort.PT, Time: a.time}, []byte{50, 140}))
			a.time += 1600
			time.Sleep(200 * time.Millisecond)
		}
		noise := 0
		for _, p := range b.heard() {
			if p.PT == comfort.PT && string(p.payload) == "\x32\x8c" {
				noise++
			}
		}
		if noise < 2 {
			t.Errorf("%d of 3 descriptions arrive", noise)
		}
	})
}
