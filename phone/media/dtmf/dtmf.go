// Package dtmf hears and makes the tones of a phone's keys in sound (ITU-T Q.23,
// Q.24), for parties that send neither telephone events nor INFO.
//
//	        1209 1336 1477 1633 Hz
//	697 Hz    1    2    3    A
//	770       4    5    6    B
//	852       7    8    9    C
//	941       *    0    #    D
//
// A Detector looks at 16 ms of sound every 8 ms:
//
//	PCM -> 8 kHz -> window -> Goertzel at 8 frequencies -> is it a key? -> 3 in a row: pressed
//	                                                                      4 misses:   let go
//
// It is a key if the strongest of each row and column have nearly all the
// energy there is, fit each other in level, and their phases advance between
// two looks as those frequencies' do: that tells 1.5 % off from 3.5 %, which no
// filter as short can. Speech fails by one or another of these.
//
// A Detector or Tone belongs to one goroutine at a time.
package dtmf

import (
	"fmt"
	"math"
)

var (
	rows    = [4]float64{697, 770, 852, 941}
	columns = [4]float64{1209, 1336, 1477, 1633}
	keys    = [4][4]rune{
		{'1', '2', '3', 'A'},
		{'4', '5', '6', 'B'},
		{'7', '8', '9', 'C'},
		{'*', '0', '#', 'D'},
	}
)

// fullScale is the level in dBm0 of the loudest sine that 16 bits hold (ITU-T
// G.711: 3.14 for A-law, 3.17 for mu-law).
const fullScale = 3.14

// amplitude gives the peak of a sine of so many dBm0.
func amplitude(level float64) float64 {
	return math.MaxInt16 * math.Pow(10, (level-fullScale)/20)
}

// frequencies gives the two tones of a key.
func frequencies(key rune) (row, column float64, err error) {
	for r := range keys {
		for c, k := range keys[r] {
			if k == key {
				return rows[r], columns[c], nil
			}
		}
	}
	return 0, 0, fmt.Errorf("dtmf: key %q: phones have 0-9, *, # and A-D", key)
}
