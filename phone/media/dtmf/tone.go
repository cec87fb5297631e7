package dtmf

import (
	"fmt"
	"math"
	"time"
)

// Levels of a key's tones as phones send them: the column 2 dB above the row,
// as lines dampen it more (ITU-T Q.23).
const (
	RowLevel    = -9.0 // dBm0
	ColumnLevel = -7.0
)

// ramp is how long a tone takes to its level and from it, so that it does not
// click.
const ramp = 2 * time.Millisecond

// Tone is the sound of one key.
type Tone struct {
	row, column float64 // radians a sample
	high, low   float64 // peaks
	at, length  int     // samples
	ramp        int
}

// NewTone makes the sound of a key for a time, at levels in dBm0.
func NewTone(rate int, key rune, length time.Duration, rowLevel, columnLevel float64) (*Tone, error) {
	row, column, err := frequencies(key)
	if err != nil {
		return nil, err
	}
	if rate < 2*int(columns[3]) || length <= 0 {
		return nil, fmt.Errorf("dtmf: %v at %d Hz: give a positive time and 4000 Hz or more", length, rate)
	}
	step := 2 * math.Pi / float64(rate)
	return &Tone{
		row: row * step, column: column * step,
		low: amplitude(rowLevel), high: amplitude(columnLevel),
		length: samples(length, rate), ramp: max(samples(ramp, rate), 1),
	}, nil
}

func samples(d time.Duration, rate int) int { return int(int64(d) * int64(rate) / int64(time.Second)) }

// Read writes what comes next of the tone to dst and gives its length: 0 at the
// end.
func (t *Tone) Read(dst []int16) int {
	n := min(len(dst), t.length-t.at)
	for i := range n {
		at := float64(t.at)
		x := t.low*math.Sin(t.row*at) + t.high*math.Sin(t.column*at)
		edge := min(t.at+1, t.length-t.at, t.ramp)
		x *= float64(edge) / float64(t.ramp)
		dst[i] = int16(math.Round(min(max(x, math.MinInt16), math.MaxInt16)))
		t.at++
	}
	return n
}
