package media

import (
	"testing"
	"time"

	"tincan/phone/codec"
)

// spoken collects the packets of a speech.
type spoken []utterance

func (s *spoken) hear(u utterance) { *s = append(*s, u) }

// pausing is an encoder of frames of 20 ms that sends nothing for silence.
type pausing struct{ codec.Encoder }

func (pausing) Frame() int { return 160 }

func (p pausing) Encode(dst []byte, pcm []int16) (int, error) {
	if meanAmplitude(pcm) == 0 {
		return 0, nil
	}
	return p.Encoder.Encode(dst, pcm)
}

func TestSilenceThatIsNotSentTakesTime(t *testing.T) {
	s, err := newSpeech(pcmu, 20, 8000)
	if err != nil {
		t.Fatal(err)
	}
	s.encoder = pausing{s.encoder}
	var out spoken
	for _, pcm := range [][]int16{loud(160), loud(160), make([]int16, 160), make([]int16, 160), loud(160), loud(160)} {
		s.say(pcm, 0, &out)
	}
	if len(out) != 4 {
		t.Fatalf("%d packets, want 4", len(out))
	}
	for i, want := range []utterance{{time: 0, marker: true}, {time: 160}, {time: 640, marker: true}, {time: 800}} {
		if out[i].time != want.time || out[i].marker != want.marker {
			t.Errorf("packet %d: time %d, marker %v", i, out[i].time, out[i].marker)
		}
	}
}

func TestPacketsAreWholeFrames(t *testing.T) {
	e := pausing{must(codec.NewEncoder(pcmu))}
	for ptime, want := range map[int]int{0: 160, 10: 160, 20: 160, 30: 160, 40: 320, 60: 480, 200: 480} {
		if got := packetSize(e, ptime); got != want {
			t.Errorf("ptime %d: %d samples, want %d", ptime, got, want)
		}
	}
	if got := packetSize(e.Encoder, 30); got != 240 {
		t.Errorf("a codec of any length: %d samples, want 240", got)
	}
}

func TestCloneGoesOnFromHalfAPacket(t *testing.T) {
	for _, f := range []codec.Format{pcmu, g722, opus, gsm, speex} {
		t.Run(f.Name, func(t *testing.T) {
			s, err := newSpeech(f, 20, 16000)
			if err != nil {
				t.Skip(err)
			}
			voice := sine(440, -9, 16000)
			s.say(voice(16000/50*5+100), 0, nil)
			c, err := s.clone()
			if err != nil {
				t.Fatal(err)
			}
			rest := voice(16000 / 50 * 5)
			var one, other spoken
			s.say(rest[:300], time.Second, &one)
			c.say(rest[:300], time.Second, &other)
			if len(one) == 0 || len(other) != len(one) || one[0].time != other[0].time {
				t.Fatalf("%d and %d packets", len(one), len(other))
			}
			if _, ok := s.encoder.(codec.Cloner); !ok && f.Name != "pcmu" {
				t.Logf("%s cannot be copied: it begins anew", f.Name)
				return
			}
			if string(one[0].payload) != string(other[0].payload) {
				t.Error("the copy says something else")
			}
		})
	}
}

// Packets of one length for packets of another, through a transcoder.
func TestPtimesThatDiffer(t *testing.T) {
	for _, in := range []int{10, 20, 30, 60} {
		for _, out := range []int{10, 20, 30, 60} {
			e, err := newEar(Terms{Sends: []codec.Format{linear}}, 8000, nil)
			if err != nil {
				t.Fatal(err)
			}
			to := &collector{}
			m, err := newMouth(to, Terms{Accepts: []codec.Format{linear}, Ptime: out}, 8000)
			if err != nil {
				t.Fatal(err)
			}
			encoder, payload, says := must(codec.NewEncoder(linear)), make([]byte, 2000), sine(440, -9, 8000)
			for i := range 1200 / in {
				n, err := encoder.Encode(payload, says(8*in))
				if err != nil {
					t.Fatal(err)
				}
				(&transcoder{e, m}).Deliver(&Packet{
					Format: &linear, Payload: payload[:n], Time: uint32(8 * in * i),
					seq: uint16(i), datagram: payload, Arrival: time.Duration(in*i) * time.Millisecond,
				})
			}
			if len(to.times) != 1200/out {
				t.Errorf("%d ms to %d ms: %d packets", in, out, len(to.times))
			}
			for i, at := range to.times {
				if at != uint32(8*out*i) {
					t.Fatalf("%d ms to %d ms: packet %d at %d", in, out, i, at)
				}
			}
		}
	}
}

type collector struct{ times []uint32 }

func (c *collector) Deliver(p *Packet) { c.times = append(c.times, p.Time) }
