// Package l16 is uncompressed sound: 16-bit samples, high byte first (RFC 3551
// 4.5.11). It is also how applications inside the server speak.
//
//	+----+----+----+----+--
//	| hi | lo | hi | lo | ...
//	+----+----+----+----+--
//
// The values have no state; they may be used by any number of goroutines.
package l16

import (
	"encoding/binary"
	"fmt"
)

// Codec encodes and decodes streams. The sound is mono: of two channels the mean
// is heard, and both are sent the same.
type Codec struct {
	// SampleRate is the RTP clock of the format.
	SampleRate int
	// Channels is 1 or 2 as in the description; 0 is 1.
	Channels int
}

// Rate is the number of samples a second.
func (c Codec) Rate() int { return c.SampleRate }

func (c Codec) channels() int { return max(c.Channels, 1) }

// Decode writes one sample for every two bytes of each channel.
func (c Codec) Decode(dst []int16, payload []byte) (int, error) {
	size := 2 * c.channels()
	n := len(payload) / size
	if len(payload)%size != 0 {
		return 0, fmt.Errorf("l16: payload of %d bytes ends inside a sample of %d", len(payload), size)
	}
	if len(dst) < n {
		return 0, fmt.Errorf("l16: room for %d samples, need %d: give a longer buffer", len(dst), n)
	}
	for i := range n {
		dst[i] = sample(payload[size*i : size*(i+1)])
	}
	return n, nil
}

// sample is the mean of the channels.
func sample(channels []byte) int16 {
	left := int16(binary.BigEndian.Uint16(channels))
	if len(channels) == 2 {
		return left
	}
	right := int16(binary.BigEndian.Uint16(channels[2:]))
	return int16((int32(left) + int32(right)) >> 1)
}

// Encode writes two bytes for each sample to each channel.
func (c Codec) Encode(dst []byte, pcm []int16) (int, error) {
	size := 2 * c.channels()
	if len(dst) < size*len(pcm) {
		return 0, fmt.Errorf("l16: room for %d bytes, need %d: give a longer buffer", len(dst), size*len(pcm))
	}
	for i, s := range pcm {
		for at := size * i; at < size*(i+1); at += 2 {
			binary.BigEndian.PutUint16(dst[at:], uint16(s))
		}
	}
	return size * len(pcm), nil
}
