package rtp

import (
	"encoding/binary"
	"strings"
)

// EventLen is the length in bytes of the payload of a telephone event.
const EventLen = 4

// Event is the payload of telephone-event (RFC 4733 2.3):
//
//	+---------------+-+-+-----------+-------------------------------+
//	|     event     |E|R|  volume   |           duration            |
//	+---------------+-+-+-----------+-------------------------------+
type Event struct {
	Code     uint8
	End      bool
	Volume   uint8  // -dBm0, 0 to 63
	Duration uint16 // ticks of the format's clock since the event began
}

const (
	eventEnd    = 1 << 7
	eventVolume = 0x3f
)

// ParseEvent reads the first event of a payload; phones put one in each. Its
// error is ErrMalformed.
func ParseEvent(b []byte) (Event, error) {
	if len(b) < EventLen {
		return Event{}, ErrMalformed
	}
	return Event{
		Code:     b[0],
		End:      b[1]&eventEnd != 0,
		Volume:   b[1] & eventVolume,
		Duration: binary.BigEndian.Uint16(b[2:]),
	}, nil
}

// Put writes the event to the first EventLen bytes of b. The reserved bit is
// zero.
func (e Event) Put(b []byte) {
	_ = b[EventLen-1]
	b[0], b[1] = e.Code, e.Volume&eventVolume
	if e.End {
		b[1] |= eventEnd
	}
	binary.BigEndian.PutUint16(b[2:], e.Duration)
}

// keys are the DTMF events in the order of their codes, then the hook flash
// (RFC 4733 3.2).
const keys = "0123456789*#ABCD!"

// Key gives the key of an event code: 0-9 * # A-D, or ! for a hook flash. It
// is false for events that are no keys.
func Key(code uint8) (rune, bool) {
	if int(code) >= len(keys) {
		return 0, false
	}
	return rune(keys[code]), true
}

// KeyCode is the reverse of Key; small letters are taken too.
func KeyCode(key rune) (uint8, bool) {
	if key >= 'a' && key <= 'd' {
		key += 'A' - 'a'
	}
	i := strings.IndexRune(keys, key)
	return uint8(max(i, 0)), i >= 0
}
