package g711_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/codec/g711"
)

// FuzzRoundTrip: what was decoded is encoded to the same bytes, but for the two
// zeros of mu-law.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{0, 0x7f, 0x80, 0xff, 0x55, 0xd5})
	f.Fuzz(func(t *testing.T, payload []byte) {
		pcm, back := make([]int16, len(payload)), make([]byte, len(payload))
		a, mu := g711.A{SampleRate: 8000}, g711.Mu{SampleRate: 8000}
		if n, err := a.Decode(pcm, payload); n != len(pcm) || err != nil {
			t.Fatal(n, err)
		}
		if n, err := a.Encode(back, pcm); n != len(back) || err != nil {
			t.Fatal(n, err)
		}
		if d := cmp.Diff(payload, back); d != "" {
			t.Fatalf("A-law: %s", d)
		}
		if n, err := mu.Decode(pcm, payload); n != len(pcm) || err != nil {
			t.Fatal(n, err)
		}
		if n, err := mu.Encode(back, pcm); n != len(back) || err != nil {
			t.Fatal(n, err)
		}
		for i, b := range back {
			if b != payload[i] && (payload[i] != 0x7f || b != 0xff) {
				t.Fatalf("mu-law: %#x comes back as %#x", payload[i], b)
			}
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	pcm, payload := make([]int16, 160), make([]byte, 160)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = g711.A{}.Encode(payload, pcm)
		_, _ = g711.A{}.Decode(pcm, payload)
		_, _ = g711.Mu{}.Encode(payload, pcm)
		_, _ = g711.Mu{}.Decode(pcm, payload)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// spread is samples of every size.
func spread() []int16 {
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = int16(i * i * i)
	}
	return pcm
}

func BenchmarkEncode20ms(b *testing.B) {
	pcm, payload := spread(), make([]byte, 160)
	b.Run("A", func(b *testing.B) {
		for b.Loop() {
			_, _ = g711.A{}.Encode(payload, pcm)
		}
	})
	b.Run("mu", func(b *testing.B) {
		for b.Loop() {
			_, _ = g711.Mu{}.Encode(payload, pcm)
		}
	})
}

func BenchmarkDecode20ms(b *testing.B) {
	pcm, payload := make([]int16, 160), make([]byte, 160)
	for i := range payload {
		payload[i] = byte(i * 37)
	}
	b.Run("A", func(b *testing.B) {
		for b.Loop() {
			_, _ = g711.A{}.Decode(pcm, payload)
		}
	})
	b.Run("mu", func(b *testing.B) {
		for b.Loop() {
			_, _ = g711.Mu{}.Decode(pcm, payload)
		}
	})
}
