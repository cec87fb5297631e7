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

// Codec encodes and decodes streams of one channel.
type Codec struct {
	// SampleRate is the RTP clock of the format.
	SampleRate int
}

// Rate is the number of samples a second.
func (c Codec) Rate() int { return c.SampleRate }

// Decode writes one sample for every two bytes of payload.
func (c Codec) Decode(dst []int16, payload []byte) (int, error) {
	n := len(payload) / 2
	if len(payload)%2 != 0 {
		return 0, fmt.Errorf("l16: payload of %d bytes ends inside a sample", len(payload))
	}
	if len(dst) < n {
		return 0, fmt.Errorf("l16: room for %d samples, need %d: give a longer buffer", len(dst), n)
	}
	for i := range n {
		dst[i] = int16(binary.BigEndian.Uint16(payload[2*i:]))
	}
	return n, nil
}

// Encode writes two bytes for each sample.
func (c Codec) Encode(dst []byte, pcm []int16) (int, error) {
	if len(dst) < 2*len(pcm) {
		return 0, fmt.Errorf("l16: room for %d bytes, need %d: give a longer buffer", len(dst), 2*len(pcm))
	}
	for i, sample := range pcm {
		binary.BigEndian.PutUint16(dst[2*i:], uint16(sample))
	}
	return 2 * len(pcm), nil
}
