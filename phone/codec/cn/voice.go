package cn

import (
	"math"
	"time"
)

// How speech stands out.
const (
	above     = 8.0  // dB over the background, to begin
	stays     = 5.0  // dB over it, to go on
	inaudible = 15.0 // root mean square below which nothing is speech: -67 dBov
)

const (
	hangover = 240 * time.Millisecond // words' soft ends, and pauses between syllables
	rise     = 3.0                    // dB a second by which the background may grow
	startup  = 60 * time.Millisecond  // taken for speech: the background is not yet known
)

// Voice tells speech from background by its level.
type Voice struct {
	rate       int
	heard      time.Duration
	background float64 // level in dB
	active     bool
	quiet      time.Duration // since the last speech
}

// NewVoice makes a detector for sound at a rate.
func NewVoice(rate int) *Voice { return &Voice{rate: rate} }

// Active tells whether someone speaks in the next piece of sound, of 10 to 60
// ms, or did a moment ago.
func (v *Voice) Active(pcm []int16) bool {
	if len(pcm) == 0 {
		return v.active
	}
	length := time.Duration(len(pcm)) * time.Second / time.Duration(v.rate)
	now := level(pcm)
	speech := v.speaks(now)
	v.follow(now, length)
	v.heard += length
	if speech || v.heard <= startup {
		v.active, v.quiet = true, 0
		return true
	}
	v.quiet += length
	v.active = v.active && v.quiet <= hangover
	return v.active
}

func (v *Voice) speaks(now float64) bool {
	over := above
	if v.active {
		over = stays
	}
	return now > v.background+over && now > 20*math.Log10(inaudible)
}

// follow lets the background fall at once and grow slowly, so that speech does
// not count.
func (v *Voice) follow(now float64, length time.Duration) {
	if v.heard == 0 || now < v.background {
		v.background = now
		return
	}
	v.background = min(now, v.background+rise*length.Seconds())
}

// level is in dB of one step of the scale; 0 for silence.
func level(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return 10 * math.Log10(max(sum/float64(len(pcm)), 1))
}
