package g711_test

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"testing"

	"tincan/phone/codec/g711"
)

// The sums are FNV-1a over what spandsp 0.0.6 gives: the codes of all samples
// from -32768 up, and the samples of all codes, high byte first.
func TestSameAsSpandsp(t *testing.T) {
	cases := []struct {
		name           string
		encode         func(int16) byte
		decode         func(byte) int16
		codes, samples uint32
	}{
		{"mu", g711.EncodeMu, g711.DecodeMu, 0xce4a6812, 0xde2d3b22},
		{"A", g711.EncodeA, g711.DecodeA, 0x826fe2c5, 0x6ac9d8c5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			codes, samples := fnv.New32a(), fnv.New32a()
			for s := math.MinInt16; s <= math.MaxInt16; s++ {
				codes.Write([]byte{c.encode(int16(s))})
			}
			for code := range 256 {
				samples.Write(binary.BigEndian.AppendUint16(nil, uint16(c.decode(byte(code)))))
			}
			if got := codes.Sum32(); got != c.codes {
				t.Errorf("encoder: sum %08x, spandsp has %08x", got, c.codes)
			}
			if got := samples.Sum32(); got != c.samples {
				t.Errorf("decoder: sum %08x, spandsp has %08x", got, c.samples)
			}
		})
	}
}

func TestDecodeThenEncodeKeepsTheCode(t *testing.T) {
	for code := range 256 {
		if got := g711.EncodeA(g711.DecodeA(byte(code))); got != byte(code) {
			t.Errorf("A-law: %#02x came back as %#02x", code, got)
		}
		// Mu-law has two zeros; both decode to 0.
		if got := g711.EncodeMu(g711.DecodeMu(byte(code))); got != byte(code) && code != 0x7f {
			t.Errorf("mu-law: %#02x came back as %#02x", code, got)
		}
	}
}

func TestShortBufferIsAnError(t *testing.T) {
	if _, err := (g711.Mu{}).Decode(make([]int16, 1), make([]byte, 2)); err == nil {
		t.Error("mu-law decoder wrote past its buffer")
	}
	if _, err := (g711.A{}).Encode(make([]byte, 1), make([]int16, 2)); err == nil {
		t.Error("A-law encoder wrote past its buffer")
	}
}
