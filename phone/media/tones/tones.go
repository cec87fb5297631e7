// Package tones makes the tones by which a telephone network says what it does:
// dial, ring, busy and congestion, as each country's sound. They are written as
// cadences:
//
//	425/1000,0/4000                  425 Hz for 1 s, silence for 4 s, again
//	440+480/2000,0/4000              two frequencies at once
//	400*25/400,0/200                 400 Hz made louder and fainter 25 times a second
//	!950/330,!1400/330,!1800/330,0   marked by !: played once, then the rest
//	425                              without an end
package tones

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tincan/phone/media"
)

// Bounds of a cadence.
const (
	mostSegments = 32
	mostHz       = 3999
	mostTime     = time.Minute
	rate         = 8000
	// level is the sum of a tone's frequencies, in dB below the loudest: within
	// what ITU-T E.180 7 asks of tones, heard well and not felt.
	level = 13
)

// Segment is one sound of a cadence.
type Segment struct {
	Hz        float64 // 0: silence
	And       float64 // a second frequency, or 0
	Modulated bool    // And makes Hz louder and fainter instead
	Time      time.Duration
	Once      bool // left out when the cadence begins again
}

// Cadence is a tone: its segments one after the other, and again.
type Cadence []Segment

// Parse reads a cadence. The error says which segment is wrong.
func Parse(text string) (Cadence, error) {
	var c Cadence
	for part := range strings.SplitSeq(text, ",") {
		s, err := parseSegment(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("tone %q: segment %q: %w", text, part, err)
		}
		if c = append(c, s); len(c) > mostSegments {
			return nil, fmt.Errorf("tone %q: more than %d segments", text, mostSegments)
		}
	}
	return c, nil
}

func parseSegment(text string) (s Segment, err error) {
	text, s.Once = strings.CutPrefix(text, "!")
	sound, length, timed := strings.Cut(text, "/")
	first, second, two := strings.Cut(sound, "+")
	if !two {
		first, second, s.Modulated = strings.Cut(sound, "*")
	}
	if s.Hz, err = hertz(first, 0); err != nil {
		return s, err
	}
	if two || s.Modulated {
		if s.And, err = hertz(second, 1); err != nil {
			return s, err
		}
	}
	if !timed {
		return s, nil
	}
	ms, err := strconv.ParseUint(length, 10, 32)
	s.Time = time.Duration(ms) * time.Millisecond
	if err != nil || ms == 0 || s.Time > mostTime {
		return s, fmt.Errorf("%q is no length in ms: write 1 to %d", length, mostTime.Milliseconds())
	}
	return s, nil
}

func hertz(text string, least uint64) (float64, error) {
	hz, err := strconv.ParseUint(text, 10, 16)
	if err != nil || hz > mostHz || hz < least {
		return 0, fmt.Errorf("%q is no frequency: write %d to %d", text, least, mostHz)
	}
	return float64(hz), nil
}

// String writes the cadence as Parse reads it.
func (c Cadence) String() string {
	parts := make([]string, 0, len(c))
	for _, s := range c {
		var b strings.Builder
		if s.Once {
			b.WriteByte('!')
		}
		fmt.Fprintf(&b, "%g", s.Hz)
		switch {
		case s.Modulated:
			fmt.Fprintf(&b, "*%g", s.And)
		case s.And > 0:
			fmt.Fprintf(&b, "+%g", s.And)
		}
		if s.Time > 0 {
			fmt.Fprintf(&b, "/%d", s.Time.Milliseconds())
		}
		parts = append(parts, b.String())
	}
	return strings.Join(parts, ",")
}

// Source is the tone as sound, without an end, from its beginning.
func (c Cadence) Source() media.Source {
	p := &player{cadence: c}
	return media.Source{Rate: rate, Next: p.next}
}

// player is where a cadence has come to.
type player struct {
	cadence Cadence
	place   int
	at      int // samples of the segment
	again   bool
}

func (p *player) next(pcm []int16) bool {
	if len(p.cadence) == 0 {
		return false
	}
	for i := range pcm {
		s := p.cadence[p.place]
		pcm[i] = s.sample(p.at)
		p.at++
		if s.Time > 0 && p.at >= int(s.Time*rate/time.Second) {
			p.turn()
		}
	}
	return true
}

// turn goes to the next segment; of a cadence that is played once, the last
// stays silent.
func (p *player) turn() {
	p.at = 0
	for range p.cadence {
		p.place++
		if p.place == len(p.cadence) {
			p.place, p.again = 0, true
		}
		if !p.again || !p.cadence[p.place].Once {
			return
		}
	}
	p.cadence, p.place = Cadence{{}}, 0
}

// sample computes by time, so that no error grows.
func (s Segment) sample(at int) int16 {
	peak := math.MaxInt16 * math.Pow(10, -level/20.0)
	wave := func(hz float64) float64 { return math.Sin(2 * math.Pi * math.Mod(hz*float64(at)/rate, 1)) }
	v := wave(s.Hz)
	switch {
	case s.Modulated:
		v *= (1 + wave(s.And)) / 2
	case s.And > 0:
		v = (v + wave(s.And)) / 2
	}
	return int16(math.Round(peak * v))
}

// ErrUnknown says that there is no such tone or country.
var ErrUnknown = errors.New("unknown tone")

// Kinds are the tones that every country has.
func Kinds() []string { return []string{"dial", "ring", "busy", "congestion", "info"} }

// Countries are those whose tones are known, by their codes (ISO 3166), lower
// case.
func Countries() []string {
	var codes []string
	for _, c := range table() {
		codes = append(codes, c.code)
	}
	slices.Sort(codes)
	return codes
}

// Find gives the tone of a kind in a country.
func Find(country, kind string) (Cadence, error) {
	for _, c := range table() {
		if c.code == strings.ToLower(country) {
			return c.find(kind)
		}
	}
	return nil, fmt.Errorf("%w: tones of country %q: there are those of %s", ErrUnknown, country, strings.Join(Countries(), ", "))
}

func (c country) find(kind string) (Cadence, error) {
	text := ""
	switch kind {
	case "dial":
		text = c.dial
	case "ring":
		text = c.ring
	case "busy":
		text = c.busy
	case "congestion":
		text = c.congestion
	case "info": // ITU-T E.180 5: everywhere the same
		text = "950/330,1400/330,1800/330,0/1000"
	default:
		return nil, fmt.Errorf("%w %q: there are %s", ErrUnknown, kind, strings.Join(Kinds(), ", "))
	}
	return Parse(text)
}
