// Package g711 is ITU-T G.711: one byte a sample on a logarithmic scale, in
// the two laws of the world's telephone networks.
//
// Both laws write a sample as sign, segment (how many leading zeros) and four
// bits of what follows the leading one:
//
//	  7      6 5 4     3 2 1 0
//	+------+---------+---------+
//	| sign | segment | step    |   mu-law: all bits inverted
//	+------+---------+---------+   A-law: even bits inverted
//
// The values have no state; they may be used by any number of goroutines.
package g711

import (
	"fmt"
	"math/bits"
)

const (
	muBias   = 0x84 // makes every segment of mu-law start at a power of two
	aInvert  = 0x55 // A-law inverts every second bit, so that silence has edges
	signBit  = 0x80
	stepMask = 0x0f
)

// EncodeMu gives the mu-law byte of a linear 16-bit sample.
func EncodeMu(sample int16) byte {
	magnitude, mask := int(sample)+muBias, byte(0xff)
	if sample < 0 {
		magnitude, mask = muBias-int(sample), 0x7f
	}
	segment := bits.Len(uint(magnitude|0xff)) - 8
	if segment > 7 {
		return 0x7f ^ mask // beyond the scale: its end
	}
	return byte(segment<<4|magnitude>>(segment+3)&stepMask) ^ mask
}

// DecodeMu gives the linear 16-bit sample of a mu-law byte.
func DecodeMu(code byte) int16 {
	code = ^code
	segment := uint(code>>4) & 7
	magnitude := (int(code&stepMask)<<3+muBias)<<segment - muBias
	if code&signBit != 0 {
		return int16(-magnitude)
	}
	return int16(magnitude)
}

// EncodeA gives the A-law byte of a linear 16-bit sample.
func EncodeA(sample int16) byte {
	magnitude, mask := int(sample), byte(aInvert|signBit)
	if sample < 0 {
		magnitude, mask = -int(sample)-1, aInvert
	}
	segment := bits.Len(uint(magnitude|0xff)) - 8
	shift := max(segment, 1) + 3 // the lowest two segments have the same step
	return byte(segment<<4|magnitude>>shift&stepMask) ^ mask
}

// DecodeA gives the linear 16-bit sample of an A-law byte: the middle of its
// step.
func DecodeA(code byte) int16 {
	code ^= aInvert
	magnitude := int(code&stepMask)<<4 + 8
	if segment := uint(code>>4) & 7; segment > 0 {
		magnitude = (magnitude + 0x100) << (segment - 1)
	}
	if code&signBit == 0 {
		return int16(-magnitude)
	}
	return int16(magnitude)
}

// Mu encodes and decodes streams of mu-law (PCMU, RFC 3551 4.5.14).
type Mu struct {
	// SampleRate is 8000 unless the parties agreed on something unusual.
	SampleRate int
}

// Rate is the number of samples a second.
func (c Mu) Rate() int { return c.SampleRate }

// Decode writes one sample for each byte of payload.
func (c Mu) Decode(dst []int16, payload []byte) (int, error) {
	if len(dst) < len(payload) {
		return 0, tooShort(len(dst), len(payload))
	}
	for i, code := range payload {
		dst[i] = DecodeMu(code)
	}
	return len(payload), nil
}

// Encode writes one byte for each sample.
func (c Mu) Encode(dst []byte, pcm []int16) (int, error) {
	if len(dst) < len(pcm) {
		return 0, tooShort(len(dst), len(pcm))
	}
	for i, sample := range pcm {
		dst[i] = EncodeMu(sample)
	}
	return len(pcm), nil
}

// A encodes and decodes streams of A-law (PCMA, RFC 3551 4.5.14).
type A struct {
	// SampleRate is 8000 unless the parties agreed on something unusual.
	SampleRate int
}

// Rate is the number of samples a second.
func (c A) Rate() int { return c.SampleRate }

// Decode writes one sample for each byte of payload.
func (c A) Decode(dst []int16, payload []byte) (int, error) {
	if len(dst) < len(payload) {
		return 0, tooShort(len(dst), len(payload))
	}
	for i, code := range payload {
		dst[i] = DecodeA(code)
	}
	return len(payload), nil
}

// Encode writes one byte for each sample.
func (c A) Encode(dst []byte, pcm []int16) (int, error) {
	if len(dst) < len(pcm) {
		return 0, tooShort(len(dst), len(pcm))
	}
	for i, sample := range pcm {
		dst[i] = EncodeA(sample)
	}
	return len(pcm), nil
}

func tooShort(have, want int) error {
	return fmt.Errorf("g711: room for %d samples, need %d: give a longer buffer", have, want)
}
