package media

import (
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/dtmf"
)

// dial lets a phone press keys as tones, while the other is silent.
func dial(t *testing.T, keys string, p *phone, others ...*phone) {
	t.Helper()
	say := func(read func([]int16) int, packets int) {
		for range packets {
			pcm := make([]int16, 160)
			read(pcm)
			p.say(pcm)
			for _, o := range others {
				o.say(make([]int16, int(o.format.Clock)/50))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for _, k := range keys {
		tone, err := dtmf.NewTone(8000, k, 100*time.Millisecond, -9, -7)
		if err != nil {
			t.Fatal(err)
		}
		say(tone.Read, 5)
		say(func([]int16) int { return 0 }, 5)
	}
}

// A party without telephone events presses keys, and is pressed keys to.
func TestKeysAsTones(t *testing.T) {
	for _, need := range []Way{WayNone, WayMix} {
		t.Run(need.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				a, b := newPhone(t, e, "1.1.1.1", pcmu), newPhone(t, e, "2.2.2.2", linear, events)
				r := a.remote(pcmu)
				r.Inband = true
				a.flow.Configure(r)
				bridge := Join(a.flow, b.flow)
				bridge.Need(need)
				if bridge.Way() < WayTranscode {
					t.Fatalf("way %v: tones cannot be heard", bridge.Way())
				}
				dial(t, "159#", a, b)
				dialled := ""
				for _, d := range a.digits {
					dialled += string(d.Rune)
				}
				if dialled != "159#" || a.digits[0].Duration < 60*time.Millisecond {
					t.Errorf("told of %v", a.digits)
				}
				l := newPlayer(t, linear)
				l.hear(t, b.heard())
				d, err := dtmf.NewDetector(8000)
				if err != nil {
					t.Fatal(err)
				}
				if heard := d.Append(nil, l.pcm); len(heard) != 0 {
					t.Errorf("the other party hears the keys as well: %v", heard)
				}

				a.heard()
				for _, k := range "70" {
					a.flow.SendDigit(Digit{Rune: k})
				}
				talk(25, b)
				l = newPlayer(t, pcmu)
				l.hear(t, a.heard())
				heard := ""
				for _, ev := range must(dtmf.NewDetector(8000)).Append(nil, l.pcm) {
					if ev.Down {
						heard += string(ev.Key)
					}
				}
				if heard != "70" {
					t.Errorf("the party heard %q, want 70", heard)
				}
			})
		})
	}
}

func TestKeysAsTonesIntoAMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, newTestEngine(t, Config{}), MixerConfig{}, pcmu, linear)
		p := r.phones[0].remote(pcmu)
		p.Inband = true
		r.phones[0].flow.Configure(p)
		r.bridges[0].Reconfigured()
		dial(t, "4*", r.phones[0])
		synctest.Wait()
		if d := r.phones[0].digits; len(d) != 2 || d[0].Rune != '4' || d[1].Rune != '*' {
			t.Errorf("told of %v", d)
		}
	})
}

// A party of a conference is said keys as tones: it hears them, nobody else does, and
// then hears what all hear again.
func TestKeysAsTonesOutOfAMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, newTestEngine(t, Config{}), MixerConfig{}, pcmu, pcmu, pcmu)
		p := r.phones[0].remote(pcmu)
		p.Inband = true
		r.phones[0].flow.Configure(p)
		r.bridges[0].Reconfigured()
		talk(150, r.phones...) // so long that listeners share what they hear
		for _, p := range r.phones {
			p.heard()
		}
		for _, k := range "7*" {
			r.phones[0].flow.SendDigit(Digit{Rune: k})
		}
		for range 40 {
			for _, p := range r.phones {
				p.say(make([]int16, 160))
			}
			time.Sleep(20 * time.Millisecond)
		}
		for i, want := range []string{"7*", "", ""} {
			l := newPlayer(t, pcmu)
			l.hear(t, r.phones[i].heard())
			heard := ""
			for _, ev := range must(dtmf.NewDetector(8000)).Append(nil, l.pcm) {
				if ev.Down {
					heard += string(ev.Key)
				}
			}
			if heard != want || len(l.gaps) != 0 {
				t.Errorf("phone %d heard %q, want %q; gaps %v", i, heard, want, l.gaps)
			}
		}
	})
}

// Where events were agreed, tones are sound.
func TestTonesBesideEventsAreSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", pcmu, events), newPhone(t, e, "2.2.2.2", pcmu, events)
		for _, p := range []*phone{a, b} {
			r := p.remote([]codec.Format{pcmu, events}...)
			r.Inband = true
			p.flow.Configure(r)
		}
		bridge := Join(a.flow, b.flow)
		if dial(t, "1", a, b); bridge.Way() != WayRelay || len(a.digits) != 0 {
			t.Errorf("way %v, told of %v", bridge.Way(), a.digits)
		}
	})
}
