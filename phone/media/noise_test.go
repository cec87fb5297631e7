package media

import (
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

var comfort = codec.Format{PT: 13, Name: codec.ComfortNoise, Clock: 8000, Channels: 1}

// A party that describes its silence is heard as noise in a mix, and as a pause
// where sound is made as packets come; and then speaks again.
func TestComfortNoise(t *testing.T) {
	for _, how := range []string{"transcode", "mix", "seat"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				a, b := newPhone(t, e, "1.1.1.1", pcmu, comfort), newPhone(t, e, "2.2.2.2", linear)
				if how == "seat" {
					m := NewMixer(e, MixerConfig{})
					Join(a.flow, m.Seat(SeatOptions{}))
					Join(b.flow, m.Seat(SeatOptions{}))
				} else {
					Join(a.flow, b.flow).Need(map[string]Way{"mix": WayMix, "transcode": WayTranscode}[how])
				}
				says := newTalker(t, a, 440)
				speak := func() int {
					for range 10 {
						says.speak()
						time.Sleep(20 * time.Millisecond)
					}
					l := newPlayer(t, linear)
					l.hear(t, b.heard())
					return meanAmplitude(l.pcm[len(l.pcm)/2:])
				}
				if n := speak(); n < 5000 {
					t.Errorf("sound at %d", n)
				}
				for range 4 { // a description every 200 ms
					a.send(false, a.addr, a.packet(rtp.Header{PT: comfort.PT, Time: a.time}, []byte{50}))
					a.time += 1600
					time.Sleep(200 * time.Millisecond)
				}
				l := newPlayer(t, linear)
				l.hear(t, b.heard())
				if how == "transcode" {
					if len(l.pcm) != 0 {
						t.Errorf("%d samples in a pause", len(l.pcm))
					}
				} else if n := meanAmplitude(l.pcm[1600:]); n < 30 || n > 300 { // -50 dBov is 104 (RFC 3389 3.1)
					t.Errorf("noise at %d, of %d samples", n, len(l.pcm))
				}
				if n := speak(); n < 5000 {
					t.Errorf("sound again at %d", n)
				}
			})
		})
	}
}
