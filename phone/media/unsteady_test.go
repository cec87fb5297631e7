package media

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A sine goes from being handed on into a mix and back, whatever the moment in the
// mix's ticks at which its packets come, and though every other packet comes late.
func TestSineOfAnUnsteadySenderIntoAMix(t *testing.T) {
	for _, late := range []time.Duration{0, 2, 6, 12} {
		for _, before := range []time.Duration{1, 3, 6, 10, 15, 19} {
			for odd := range 2 {
				late, before := late*time.Millisecond, before*time.Millisecond
				t.Run(fmt.Sprintf("%v before the tick, every other %v late, of two the %d.", before, late, odd+1), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { unsteadyIntoMix(t, before, late, odd) })
				})
			}
		}
	}
}

func unsteadyIntoMix(t *testing.T, before, late time.Duration, odd int) {
	const hz = 440
	e := newTestEngine(t, Config{})
	a, b := newPhone(t, e, "1.1.1.1", linear), newPhone(t, e, "2.2.2.2", linear)
	says := newTalker(t, a, hz)
	bridge := Join(a.flow, b.flow)
	start, n := time.Now(), 0
	// each packet comes before a tick of 20 ms, counted from the change on
	speak := func(packets int) {
		for range packets {
			at := start.Add(time.Duration(n+1)*tickEvery - before)
			if n%2 == odd {
				at = at.Add(late)
			}
			time.Sleep(time.Until(at))
			says.speak()
			n++
		}
	}
	player := newPlayer(t, linear)
	for range 3 {
		for _, need := range []Way{WayMix, WayRelay} {
			n = n &^ 1
			speak(20)
			time.Sleep(time.Until(start.Add(time.Duration(n) * tickEvery)))
			bridge.Need(need)
			speak(20)
			player.hear(t, b.heard())
		}
	}
	rate := player.decoder.Rate()
	worst, at := residual(player.pcm[rate/10:], hz, rate)
	loudest, faintest := swing(player.pcm[rate/10:], -9, rate)
	t.Logf("%.1f dB beside the sine, %+.1f to %+.1f dB loud, gaps %v, %+v", worst, faintest, loudest, player.gaps, bridge.Hearing(0))
	if worst > -30 || loudest > 3 || faintest < -3 {
		t.Errorf("a click of %.1f dB at %d, %+.1f to %+.1f dB loud", worst, at, faintest, loudest)
	}
	if len(player.gaps) != 0 {
		t.Errorf("gaps %v", player.gaps)
	}
}
