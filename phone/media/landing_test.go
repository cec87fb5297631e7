package media

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/codec"
)

// worded says a sine by words: 25 packets of it, 10 of a room's hiss (GSM's decoder
// hums on in silence of nothing); endless without.
type worded struct {
	*talker
	room    func(int) []int16
	endless bool
	cough   int // packet
	n       int
	said    [][]byte
}

func (w *worded) word() bool { return w.endless || w.n%35 < 25 }

func (w *worded) speak() {
	pcm := w.sine(w.encoder.Rate() / 50)
	if !w.word() {
		pcm = w.room(len(pcm))
	}
	if w.cough > 0 && w.n == w.cough {
		for i := range pcm { // as loud as can be
			pcm[i] = int16(max(min(int(pcm[i])*16, 32767), -32767))
		}
	}
	payload := make([]byte, 4000)
	n, err := w.encoder.Encode(payload, pcm)
	if err != nil {
		w.t.Fatal(err)
	}
	w.n++
	w.said = append(w.said, payload[:n])
	w.sound(payload[:n])
}

// A codec with a memory is handed on again in a pause between words, so that nobody
// hears a click, be the room silent or not, and though somebody coughed before; where
// there is no pause it never is, and there is no click.
func TestHandedOnAgainInAPause(t *testing.T) {
	const tried = 1500 // packets
	for _, f := range []codec.Format{g722, opus, gsm, speex} {
		for name, room := range map[string]float64{"words": -60, "words and a cough": -61, "words in a noisy room": -35, "a tone": 0} {
			endless, coughs := room == 0, room == -61
			t.Run(f.Name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newTestEngine(t, Config{})
					a, b := newPhone(t, e, "1.1.1.1", f), newPhone(t, e, "2.2.2.2", f)
					says, player := &worded{talker: newTalker(t, a, 440), room: hiss(room), endless: endless}, newPlayer(t, f)
					if coughs {
						says.sine, says.cough = sine(440, -25, says.encoder.Rate()), 50
					}
					bridge := Join(a.flow, b.flow)
					speak := func(packets int) (got []heardPacket) {
						for range packets {
							says.speak()
							time.Sleep(20 * time.Millisecond)
						}
						got = b.heard()
						player.hear(t, got)
						return got
					}
					speak(10)
					bridge.Need(WayTranscode)
					speak(35) // in the middle of a word again
					bridge.Need(WayRelay)
					from, began := len(player.pcm), len(says.said)
					var first int
					for first = 0; first < tried; first++ {
						got := speak(1)
						if len(got) > 0 && bytes.Equal(got[len(got)-1].payload, says.said[len(says.said)-1]) {
							break
						}
					}
					if endless {
						if first != tried {
							t.Errorf("handed on again after %d packets, amid the tone", first)
						}
						whole := player.pcm[from : len(player.pcm)-player.decoder.Rate()/10]
						if worst, at := residual(whole, 440, player.decoder.Rate()); worst > -18 {
							t.Errorf("a click of %.1f dB at %d", worst, at)
						}
						return
					}
					if at := (began + first) % 35; at < 25 || at > 28 {
						t.Errorf("handed on again %d packets into a word", at)
					}
					word := player.pcm[from : from+player.decoder.Rate()/50*12]
					if worst, at := residual(word, 440, player.decoder.Rate()); worst > -18 && !coughs {
						t.Errorf("a click of %.1f dB at %d", worst, at)
					}
				})
			})
		}
	}
}

// The codec of one party changes: what it does not take any more is not said on.
func TestHandedOnAtOnceInAnotherCodec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", g722), newPhone(t, e, "2.2.2.2", pcmu)
		says, bridge := newTalker(t, a, 440), Join(a.flow, b.flow)
		for range 20 {
			says.speak()
			time.Sleep(20 * time.Millisecond)
		}
		b.heard()
		b.flow.Configure(b.remote(g722))
		bridge.Reconfigured()
		for range 20 {
			says.speak()
			time.Sleep(20 * time.Millisecond)
		}
		for _, p := range b.heard()[1:] {
			if p.PT != g722.PT {
				t.Fatalf("it is still sent %d", p.PT)
			}
		}
	})
}
