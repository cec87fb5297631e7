//go:build cgo && spandsp

package g722_test

import (
	"math"
	"testing"

	"tincan/phone/codec/g722"
	"tincan/phone/codec/g722/spandsptest"
)

// TestSameBitsAsSpandsp holds ours against libspandsp, which passes the ITU's
// vectors, on the whole corpus.
func TestSameBitsAsSpandsp(t *testing.T) {
	for name, pcm := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			want := spandsptest.Encode(pcm)
			got := make([]byte, len(pcm)/2)
			if _, err := g722.NewEncoder().Encode(got, pcm); err != nil {
				t.Fatal(err)
			}
			equal(t, "byte", got, want)
			decodedAlike(t, want)
		})
	}
}

// TestSameSoundAsSpandspFromNoise decodes bytes that no encoder would send.
func TestSameSoundAsSpandspFromNoise(t *testing.T) {
	decodedAlike(t, noiseBytes(64000))
}

// decodedAlike takes one difference: where the sound is louder than 16 bits
// hold, spandsp 0.0.6 wraps around, which is a loud click; ours is clipped.
func decodedAlike(t *testing.T, data []byte) {
	t.Helper()
	got := make([]int16, 2*len(data))
	if _, err := g722.NewDecoder().Decode(got, data); err != nil {
		t.Fatal(err)
	}
	want := spandsptest.Decode(data)
	for i, s := range want {
		clipped := got[i] == math.MaxInt16 || got[i] == math.MinInt16
		if clipped && (s < 0) != (got[i] < 0) {
			want[i] = got[i]
		}
	}
	equal(t, "sample", got, want)
}

func equal[T comparable](t *testing.T, unit string, got, want []T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d %ss, want %d", len(got), unit, len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s %d of %d is %v, want %v", unit, i, len(got), got[i], want[i])
		}
	}
}
