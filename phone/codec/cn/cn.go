// Package cn is comfort noise (RFC 3389): what a party hears while the other
// sends nothing because nobody speaks there.
//
//	 0 1 2 3 4 5 6 7
//	+-+-------------+--------------+--------------+-- ...
//	|0| level, -dBov| reflection 1 | reflection 2 |      any number, or none: white noise
//	+-+-------------+--------------+--------------+-- ...
//
//	sound --Voice--> speech? --no--> Analyser --payload--> Noise --> sound
//
// The types belong to one goroutine at a time and allocate when made alone.
package cn

import (
	"errors"
	"fmt"
	"math"
)

// order is how many reflections are sent and heard: beyond ten, the noise of a
// room sounds no truer.
const order = 10

// Steps of a reflection coefficient (RFC 3389 3.2).
const (
	middle   = 127 // stands for 0
	reserved = 255
	step     = 258.0 / 32768
)

// softest is the lowest level that can be written, in -dBov.
const softest = 127

var errEmpty = errors.New("cn: empty payload: the first byte is the level")

// spectrum is what a payload says.
type spectrum struct {
	level       float64 // root mean square
	reflections [order]float64
}

func parse(payload []byte) (s spectrum, err error) {
	if len(payload) == 0 {
		return s, errEmpty
	}
	if payload[0] > softest {
		return s, fmt.Errorf("cn: level of %d: it ends at %d", payload[0], softest)
	}
	s.level = math.MaxInt16 * math.Pow(10, -float64(payload[0])/20)
	for i, n := range payload[1:] {
		if n == reserved {
			return s, fmt.Errorf("cn: reflection %d is %d, which is reserved", i+1, reserved)
		}
		if i < order {
			s.reflections[i] = step * (float64(n) - middle)
		}
	}
	return s, nil
}

// append writes the payload; the white end of the reflections is left out.
func (s *spectrum) append(dst []byte) []byte {
	level := -20 * math.Log10(max(s.level, 1e-9)/math.MaxInt16)
	dst = append(dst, byte(min(max(math.Round(level), 0), softest)))
	end := len(dst)
	for _, k := range s.reflections {
		n := byte(min(max(math.Round(k/step)+middle, 0), reserved-1))
		if dst = append(dst, n); n != middle {
			end = len(dst)
		}
	}
	return dst[:end]
}
