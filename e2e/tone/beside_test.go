package tone

import (
	"testing"
	"time"
)

func TestBesideFindsStepsAndHoles(t *testing.T) {
	const look = 20 * time.Millisecond
	clean := FromMuLaw(MuLaw(Sine(440, time.Second, 8000)))
	worst := func(s Sound) (db float64, at int) {
		db = -200
		for i, x := range s.Beside(440, look) {
			if x > db {
				db, at = x, i
			}
		}
		return db, at
	}
	if db, at := worst(clean); db > -35 {
		t.Errorf("mu-law alone leaves %v dB in window %d", db, at)
	}
	step := Sound{clean.Rate, append(append([]float64{}, clean.Samples[:4880]...), clean.Samples[4884:]...)} // 4 samples short
	if db, at := worst(step); db < -25 || at != 30 {
		t.Errorf("a step of 4 samples in window 30 is %v dB in %d", db, at)
	}
	hole := Sound{clean.Rate, append([]float64{}, clean.Samples...)}
	clear(hole.Samples[1600:1760])
	if db, at := worst(hole); db < -1 || at != 10 {
		t.Errorf("a hole in window 10 is %v dB in %d", db, at)
	}
}
