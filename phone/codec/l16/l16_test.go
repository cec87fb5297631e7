package l16_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tincan/phone/codec/l16"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pcm := rapid.SliceOf(rapid.Int16()).Draw(t, "pcm")
		payload, back := make([]byte, 2*len(pcm)), make([]int16, len(pcm))
		c := l16.Codec{SampleRate: 8000}
		if _, err := c.Encode(payload, pcm); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Decode(back, payload); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(pcm, back); d != "" {
			t.Fatal(d)
		}
	})
}

func TestHighByteComesFirst(t *testing.T) {
	dst := make([]int16, 1)
	if _, err := (l16.Codec{}).Decode(dst, []byte{0x12, 0x34}); err != nil || dst[0] != 0x1234 {
		t.Errorf("got %#x, %v", dst[0], err)
	}
}

func TestDamagedPayloadIsAnError(t *testing.T) {
	if _, err := (l16.Codec{}).Decode(make([]int16, 4), make([]byte, 3)); err == nil {
		t.Error("a payload that ends inside a sample was taken")
	}
}
