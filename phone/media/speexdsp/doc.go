// Package speexdsp takes a party's own echo and noise out of what it sends and
// evens its level, by libspeexdsp. It needs cgo; without it New errs.
//
//	far: what the party hears ---+---------------> its loudspeaker
//	                             |                      | the room, and the network's delay
//	near, cleaned <-- denoise, level <-- minus echo <-- its microphone
//
// Sound goes in frames of 20 ms. The two sides must stay in step: the far frame
// is the one that was sent when the near one came. An echo is found when it
// comes within the tail, which must hold the way to the phone and back too.
//
// A Processor belongs to one goroutine at a time; its memory in the library is
// freed when it is garbage. It costs per 20 ms at 8 kHz, with a tail of 128 ms,
// about 100 us of a 2020s server's core.
package speexdsp

import "time"

// Options say what is to be done.
type Options struct {
	// EchoTail is how long after it was sent a sound's echo is still looked
	// for; 0: echo is not cancelled.
	EchoTail time.Duration
	// Level brings soft and loud voices to one level.
	Level bool
	// Denoise dampens steady noise by up to 15 dB.
	Denoise bool
}

// frameTime is the length of a frame.
const frameTime = 20 * time.Millisecond

// Bounds: of what is useful, and of work.
const (
	leastRate, mostRate = 8000, 48000
	mostTail            = 500 * time.Millisecond
)
