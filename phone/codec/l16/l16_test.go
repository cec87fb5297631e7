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
		c := l16.Codec{SampleRate: 8000, Channels: rapid.IntRange(0, 2).Draw(t, "channels")}
		payload, back := make([]byte, 2*max(c.Channels, 1)*len(pcm)), make([]int16, len(pcm))
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
	if _, err := (l16.Codec{Channels: 2}).Decode(make([]int16, 4), make([]byte, 6)); err == nil {
		t.Error("a payload that ends between two channels was taken")
	}
}

func TestTheMeanOfTwoChannelsIsHeard(t *testing.T) {
	dst := make([]int16, 3)
	payload := []byte{0x7f, 0xff, 0x7f, 0xff, 0x80, 0, 0x80, 0, 0x10, 0, 0x30, 0}
	if _, err := (l16.Codec{Channels: 2}).Decode(dst, payload); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int16{0x7fff, -0x8000, 0x2000}, dst); d != "" {
		t.Error(d)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, 2)
	f.Fuzz(func(t *testing.T, payload []byte, channels int) {
		c := l16.Codec{Channels: channels&1 + 1}
		pcm := make([]int16, len(payload)/2)
		n, err := c.Decode(pcm, payload)
		if (err != nil) != (len(payload)%(2*c.Channels) != 0) || n > len(pcm) {
			t.Fatalf("%d bytes gave %d samples, %v", len(payload), n, err)
		}
	})
}

func BenchmarkDecode20ms(b *testing.B) {
	pcm, payload := make([]int16, 320), make([]byte, 640)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l16.Codec{SampleRate: 16000}.Decode(pcm, payload)
	}
}

func BenchmarkEncode20ms(b *testing.B) {
	pcm, payload := make([]int16, 320), make([]byte, 640)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l16.Codec{SampleRate: 16000}.Encode(payload, pcm)
	}
}
