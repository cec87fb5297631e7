package tone

import "math/bits"

// G.711 codes a sample in a sign, a segment and a step within it. Both laws are
// written here apart from the server's, so that one checks the other.

// MuLaw codes s by G.711's mu-law, one byte a sample.
func MuLaw(s Sound) []byte { return coded(s, muLawByte) }

// ALaw codes s by G.711's A-law.
func ALaw(s Sound) []byte { return coded(s, aLawByte) }

// FromMuLaw is the sound of bytes at 8 kHz.
func FromMuLaw(b []byte) Sound { return decoded(b, muLawSample) }

// FromALaw is the sound of bytes at 8 kHz.
func FromALaw(b []byte) Sound { return decoded(b, aLawSample) }

const g711Rate = 8000

func coded(s Sound, code func(int) byte) []byte {
	b := make([]byte, len(s.Samples))
	for i, x := range s.Samples {
		b[i] = code(max(-fullScale, min(fullScale-1, int(x*fullScale))))
	}
	return b
}

func decoded(b []byte, sample func(byte) int) Sound {
	s := Sound{Rate: g711Rate, Samples: make([]float64, len(b))}
	for i, c := range b {
		s.Samples[i] = float64(sample(c)) / fullScale
	}
	return s
}

// bias makes the segments of the mu-law begin at powers of two; muLawMost is the
// loudest sample.
const (
	bias      = 132
	muLawMost = 32635
)

func muLawByte(x int) byte {
	sign := byte(0)
	if x < 0 {
		sign, x = 0x80, -x
	}
	x = min(x, muLawMost) + bias
	segment := bits.Len(uint(x)) - 8
	return ^(sign | byte(segment<<4) | byte(x>>(segment+3)&15))
}

func muLawSample(c byte) int {
	c = ^c
	segment := int(c >> 4 & 7)
	x := (int(c&15)<<3+bias)<<segment - bias
	if c&0x80 != 0 {
		return -x
	}
	return x
}

func aLawByte(x int) byte {
	sign := byte(0x80)
	if x < 0 {
		sign, x = 0, -x-1
	}
	segment := max(bits.Len(uint(x))-8, 0)
	return (sign | byte(segment<<4) | byte(x>>(max(segment, 1)+3)&15)) ^ 0x55
}

func aLawSample(c byte) int {
	c ^= 0x55
	segment := int(c >> 4 & 7)
	x := int(c&15)<<4 + 8
	if segment > 0 {
		x = (x + 256) << (segment - 1)
	}
	if c&0x80 == 0 {
		return -x
	}
	return x
}
