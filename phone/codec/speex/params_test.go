//go:build cgo

package speex

import "testing"

func TestParams(t *testing.T) {
	for _, c := range []struct {
		fmtp string
		rate int
		want int
	}{
		{"", 8000, NoMode},
		{"mode=3", 8000, 3},
		{`vbr=on;mode="4,any";cng=on`, 8000, 4},
		{"mode=any", 8000, NoMode},
		{`mode="any,4"`, 8000, NoMode},
		{"mode=0", 8000, NoMode},
		{"mode=0", 16000, 0},
		{" MODE = 10 ; vbr=vad", 16000, 10},
		{"mode=9", 8000, NoMode},
		{"mode=11", 32000, NoMode},
		{"mode=-1", 16000, NoMode},
		{"mode=99999999999999999999", 16000, NoMode},
	} {
		if got := ParseParams(c.fmtp, c.rate).Mode; got != c.want {
			t.Errorf("%q at %d: %d, want %d", c.fmtp, c.rate, got, c.want)
		}
	}
}

// The mode that is asked for is the one that is sent: the first five bits of a frame
// of the narrow band are a zero and its number (RFC 5574 3.1); in the wide one better
// modes take more bytes.
func TestModeIsHeeded(t *testing.T) {
	pcm := make([]int16, 640)
	for i := range pcm {
		pcm[i] = int16(i % 100 * 100)
	}
	encode := func(rate, mode int) []byte {
		e, err := NewEncoder(rate, Params{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, 200)
		n, err := e.Encode(out, pcm[:rate/50])
		if err != nil {
			t.Fatal(err)
		}
		return out[:n]
	}
	for mode := 1; mode <= 8; mode++ {
		if got := int(encode(8000, mode)[0] >> 3); got != mode {
			t.Errorf("mode %d, want %d", got, mode)
		}
	}
	for _, rate := range []int{16000, 32000} {
		if a, b := len(encode(rate, 1)), len(encode(rate, 10)); a >= b {
			t.Errorf("at %d Hz mode 1 takes %d bytes, mode 10 %d", rate, a, b)
		}
	}
}
