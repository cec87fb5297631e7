package tone

import (
	"strings"
	"time"
)

// The keys of a phone, and the two tones of each (ITU-T Q.23).
const keypad = "123A456B789C*0#D"

// Times of keys that are made here: beyond all doubt for whoever listens.
const (
	keysAfter = 2 * time.Second // so that both sides of a call are there
	keyLength = 200 * time.Millisecond
	keyPause  = 300 * time.Millisecond
)

// Key gives the tones of a key; ok is false for what is none.
func Key(key rune) (row, column float64, ok bool) {
	at := strings.IndexRune(keypad, key)
	if at < 0 {
		return 0, 0, false
	}
	rows, columns := [...]float64{697, 770, 852, 941}, [...]float64{1209, 1336, 1477, 1633}
	return rows[at/len(columns)], columns[at%len(columns)], true
}

// Keys makes d of silence in which keys are pressed, after 2 s.
func Keys(keys string, d time.Duration, rate int) Sound {
	s := Sound{Rate: rate, Samples: make([]float64, count(d, rate))}
	at := keysAfter
	for _, key := range keys {
		row, column, _ := Key(key)
		low, high := Sine(row, keyLength, rate), Sine(column, keyLength, rate)
		press := s.After(at).Samples // shares s's memory
		for i := range min(len(low.Samples), len(press)) {
			press[i] = (low.Samples[i] + high.Samples[i]) / 2
		}
		at += keyLength + keyPause
	}
	return s
}
