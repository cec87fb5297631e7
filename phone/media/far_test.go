package media

import (
	"math/rand/v2"
	"testing"
	"time"
)

// farRun is a far end to which sound counts up, and from which it is taken.
type farRun struct {
	farEnd
	put int // samples
}

func newFarRun() *farRun {
	r := new(farRun)
	r.retune(8000)
	return r
}

func (r *farRun) send(n int) {
	pcm := make([]int16, n)
	for i := range pcm {
		r.put++
		pcm[i] = int16(r.put % 30000)
	}
	r.farEnd.put(pcm)
}

// behind takes 20 ms, and tells how far behind the last sent it ends; -1: silence.
func (r *farRun) behind() int {
	pcm := make([]int16, 160)
	r.take(pcm)
	if pcm[159] == 0 {
		return -1
	}
	return (r.put - int(pcm[159]) + 30000) % 30000
}

// A stall, and a pause that is told, move nothing.
func TestFarEndKeepsInStep(t *testing.T) {
	r := newFarRun()
	steady := func() (behind int) {
		for range 200 {
			r.send(160)
			behind = r.behind()
		}
		return behind
	}
	before := steady()
	if before != r.lead {
		t.Fatalf("%d samples behind, want the lead of %d", before, r.lead)
	}
	for range 4 {
		r.behind()
	}
	r.send(4 * 160) // all at once, too late
	if after := steady(); after != before {
		t.Errorf("%d samples behind after a stall, %d before", after, before)
	}
	for range 100 {
		r.behind()
	}
	r.hush(100 * 160)
	if after := steady(); after != before {
		t.Errorf("%d samples behind after a pause, %d before", after, before)
	}
}

// What comes late from now on is lined up anew.
func TestFarEndFollowsALongerWay(t *testing.T) {
	r := newFarRun()
	for range 100 {
		r.send(160)
		r.behind()
	}
	for range 5 {
		r.behind()
	}
	for range 300 { // what was under way never comes
		r.send(160)
		r.behind()
	}
	r.send(160)
	if got := r.behind(); got < 0 || got > r.lead+r.slack {
		t.Errorf("%d samples behind", got)
	}
}

// Clocks that drift apart for an hour: never far behind, seldom short.
func TestFarEndFollowsDrift(t *testing.T) {
	for _, ppm := range []int{-300, 300} {
		r, noise, short, packets := newFarRun(), rand.New(rand.NewPCG(1, 1)), 0, int(time.Hour/(20*time.Millisecond))
		due := 0 // millionths of a sample
		for range packets {
			for due += 160 * (1_000_000 + ppm); due >= 160_000_000; due -= 160_000_000 {
				if r.send(160); noise.IntN(1000) == 0 {
					due -= 160_000_000 // a packet early
					r.send(160)
				}
			}
			switch got := r.behind(); {
			case got < 0:
				short++
			case got > r.lead+r.slack+2*160+samplesIn(farLook, 8000)/100:
				t.Fatalf("%+d ppm: %d samples behind", ppm, got)
			}
		}
		if short > packets/200 {
			t.Errorf("%+d ppm: silence in %d of %d takes", ppm, short, packets)
		}
		t.Logf("%+d ppm: silence in %d of %d takes", ppm, short, packets)
	}
}
