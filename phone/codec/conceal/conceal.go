// Package conceal makes up sound for lost packets of codecs that cannot do so
// themselves (G.711, G.722, L16, GSM): it goes on with the last periods of the
// voice, in the manner of ITU-T G.711 Appendix I, at any sample rate and without
// its delay.
//
//	                      end
//	... | period | period |
//	             ^........+- 1. to the end, then back by one period,
//	    ^.................+- 2. after 10 ms by two, after 20 ms by three:
//	                            one period alone would buzz
//
// Before each jump the sound fades over a quarter of a period into what lies
// before the landing point. It begins mixed with the last samples backwards, so
// that there is no click, gets fainter from 20 ms on and is silent at 60 ms. The
// next good packet fades in over what would have come.
//
// A Concealer belongs to one goroutine at a time and allocates when made alone.
package conceal

import (
	"math"
	"time"
)

// Bounds of the pitch, of 66 to 200 Hz; higher voices repeat within it too.
const (
	shortest = 5 * time.Millisecond
	longest  = 15 * time.Millisecond
	periods  = 3 // at most, to jump back
)

// Course of a loss.
const (
	steady = 20 * time.Millisecond // as loud as before
	fading = 40 * time.Millisecond // to silence
	turn   = 10 * time.Millisecond // until the next number of periods
)

// Concealer follows one stream.
type Concealer struct {
	rate    int
	history []int16 // what was heard last: periods and a quarter
	known   int     // of its samples, the last so many
	source  []int16 // the history when the loss began

	lost    int     // samples made up in this loss; 0: there is none
	period  int     // in samples
	at      int     // place in source
	back    int     // how far the next jump goes
	whole   int     // periods that are known
	quarter int     // of a period: the length of fades
	step    float32 // from where the period begins to the last sample
}

// New makes a concealer for sound at a rate.
func New(rate int) *Concealer {
	n := periods*samples(longest, rate) + samples(longest, rate)/4 + 1
	return &Concealer{rate: rate, history: make([]int16, n), source: make([]int16, n)}
}

func samples(d time.Duration, rate int) int { return int(int64(d) * int64(rate) / int64(time.Second)) }

// History takes the sound of each good packet, in order. After a loss it changes
// the beginning of pcm, so that it follows smoothly on what was made up.
func (c *Concealer) History(pcm []int16) {
	if c.lost > 0 {
		c.reenter(pcm)
		c.lost = 0
	}
	c.remember(pcm)
}

// Conceal fills all of dst and gives its length; it never errs.
func (c *Concealer) Conceal(dst []int16) (int, error) {
	if c.lost == 0 && len(dst) > 0 {
		c.begin()
	}
	for i := range dst {
		dst[i] = c.next()
	}
	c.remember(dst)
	return len(dst), nil
}

// Reset forgets the stream.
func (c *Concealer) Reset() {
	clear(c.history)
	c.lost, c.known = 0, 0
}

func (c *Concealer) remember(pcm []int16) {
	c.known = min(c.known+len(pcm), len(c.history))
	if len(pcm) >= len(c.history) {
		copy(c.history, pcm[len(pcm)-len(c.history):])
		return
	}
	kept := copy(c.history, c.history[len(pcm):])
	copy(c.history[kept:], pcm)
}

func (c *Concealer) begin() {
	copy(c.source, c.history)
	c.period = pitch(c.source[len(c.source)-c.known:], c.rate)
	c.quarter = c.period / 4
	c.at = len(c.source) - c.period
	c.back = c.period
	c.whole = max((c.known-c.quarter)/c.period, 1)
	c.step = float32(c.source[len(c.source)-1]) - float32(c.source[c.at-1])
}

// next makes one sample.
func (c *Concealer) next() int16 {
	end := len(c.source)
	sound := float32(c.source[c.at])
	if into := c.at - (end - c.quarter); into >= 0 {
		sound = mix(sound, float32(c.source[c.at-c.back]), into, c.quarter)
	}
	if c.lost < c.quarter {
		sound += mix(c.step, 0, c.lost, c.quarter)
	}
	sound *= c.gain()
	c.lost++
	if c.at++; c.at == end {
		c.at -= c.back
		c.back = c.period * min(1+c.lost/samples(turn, c.rate), c.whole, periods)
	}
	return int16(min(max(sound, math.MinInt16), math.MaxInt16))
}

// mix goes from one sound to another in so many steps.
func mix(from, to float32, step, steps int) float32 {
	w := float32(step+1) / float32(steps+1)
	return from + w*(to-from)
}

func (c *Concealer) gain() float32 {
	past := c.lost - samples(steady, c.rate)
	return 1 - min(max(float32(past)/float32(samples(fading, c.rate)), 0), 1)
}

// reenter fades from what would have been made up into pcm: the longer the loss,
// the longer, as the two have drifted apart.
func (c *Concealer) reenter(pcm []int16) {
	n := c.quarter + min(c.lost*4/10, samples(turn, c.rate))
	n = min(n, len(pcm))
	for i := range n {
		pcm[i] = int16(mix(float32(c.next()), float32(pcm[i]), i, n))
	}
}
