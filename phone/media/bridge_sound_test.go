package media

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// A recording and a prompt come and go; the parties hear no seam, and the
// recording has each party on its side.
func TestTapAndPlayOnAStandingBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		says, other := newTalker(t, a, 440), newTalker(t, b, 700)
		bridge := Join(a.flow, b.flow)
		speak := func(packets int) {
			for range packets {
				says.speak()
				time.Sleep(9 * time.Millisecond)
				other.speak()
				time.Sleep(11 * time.Millisecond)
			}
		}
		speak(10)
		var left, right []int16
		tap, err := bridge.Tap(Tap{Rate: 16000, Stereo: true, Take: func(pcm []int16) {
			for i := 0; i < len(pcm); i += 2 {
				left, right = append(left, pcm[i]), append(right, pcm[i+1])
			}
		}})
		if err != nil || bridge.Way() != WayMix {
			t.Fatalf("way %v, %v", bridge.Way(), err)
		}
		speak(30)
		told, ticks, prompt := 0, 25, sine(1000, -15, 24000)
		if _, err = bridge.Play(1, Source{
			Rate: 24000,
			Next: func(pcm []int16) bool { copy(pcm, prompt(len(pcm))); ticks--; return ticks >= 0 },
			Done: func() { told++ },
		}); err != nil {
			t.Fatal(err)
		}
		speak(30)
		if told != 1 || bridge.Way() != WayMix {
			t.Errorf("told %d times of the prompt's end, way %v", told, bridge.Way())
		}
		tap.Close()
		if tap.Close(); bridge.Way() != WayRelay || !e.pacer.idle() {
			t.Errorf("way %v after all", bridge.Way())
		}
		speak(10)

		heardA, heardB := newPlayer(t, linear), newPlayer(t, linear)
		heardA.hear(t, a.heard())
		heardB.hear(t, b.heard())
		if len(heardA.gaps)+len(heardB.gaps) != 0 {
			t.Errorf("gaps %v %v", heardA.gaps, heardB.gaps)
		}
		if worst, at := residual(heardA.pcm, 700, 8000); worst > -60 {
			t.Errorf("a hears a seam of %.1f dB at %d", worst, at)
		}
		want := 32767 * math.Pow(10, -9.0/20)
		for i, side := range [][]int16{left, right} {
			own, far := toneLevel(side[3200:9600], 440, 16000), toneLevel(side[3200:9600], 700, 16000)
			if i == 1 {
				own, far = far, own
			}
			if math.Abs(own-want) > want/20 || far > want/50 {
				t.Errorf("side %d: %.0f of its own, %.0f of the other, want %.0f and none", i, own, far, want)
			}
		}
		if n := toneLevel(heardB.pcm, 1000, 8000); n < want/10 || toneLevel(heardA.pcm, 1000, 8000) > want/50 {
			t.Errorf("b hears %.0f of the prompt; it is not for a", n)
		}
	})
}

func TestPlayingEndsWithTheBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t, Config{})
		a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
		bridge := Join(a.flow, b.flow)
		told := 0
		for _, side := range []int{0, 1, Both} {
			if _, err := bridge.Play(side, Source{
				Next: func([]int16) bool { return true }, Done: func() { told++ },
			}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond)
		bridge.Close()
		if told != 3 {
			t.Errorf("%d of 3 told that they ended", told)
		}
		if _, err := bridge.Tap(Tap{Take: func([]int16) {}}); err == nil {
			t.Error("a closed bridge took a tap")
		}
	})
}
