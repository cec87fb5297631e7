package frame

import (
	"slices"
	"testing"

	"tincan/phone/codec"
)

// TestEveryCodecOfOurs: whatever this program makes has a bit and comes back.
func TestEveryCodecOfOurs(t *testing.T) {
	for _, c := range append(codec.Offered(),
		codec.Format{Name: "l16", Clock: 8000, Channels: 1}, codec.Format{Name: "l16", Clock: 16000, Channels: 1}) {
		f, ok := FormatOf(c)
		if !ok {
			t.Errorf("%s has no bit", c)
			continue
		}
		if back, ok := f.Codec(); !ok || !back.Same(c) {
			t.Errorf("%s became %s, then %s", c, f, back)
		}
	}
	if f, ok := FormatOf(codec.Format{Name: "l16", Clock: 44100, Channels: 1}); ok {
		t.Errorf("CD sound is %s", f)
	}
}

// TestFormatNumbers: some of 8.7, and Asterisk's beyond it.
func TestFormatNumbers(t *testing.T) {
	for f, want := range map[Format]uint64{
		PCMU: 4, PCMA: 8, G722: 0x1000, Siren14: 0x4000, H264: 0x200000, G719: 1 << 32, Opus: 1 << 34,
	} {
		if uint64(f) != want {
			t.Errorf("%s is %#x, want %#x", f, uint64(f), want)
		}
	}
	if got := (Opus | G722 | 1<<60).String(); got != "g722,opus,bit60" {
		t.Errorf("names %q", got)
	}
	if Sounds&Pictures != 0 || !Sounds.Has(Opus|PCMU) || Sounds.Has(H264) || !G722.Single() || (G722 | GSM).Single() {
		t.Error("sets of formats")
	}
}

// TestPreferenceLetters: as Asterisk counts them.
func TestPreferenceLetters(t *testing.T) {
	p := Preference{G723, GSM, PCMU, PCMA, SpeexWide, G722, L16Wide, H264, G719, Opus, VP8}
	const want = "BCDELOPV]fg"
	if got := string(appendPreference(nil, append(slices.Clone(p), 1<<60, 0))); got != want {
		t.Errorf("letters %q, want %q", got, want)
	}
	if got := parsePreference([]byte("B\x00A" + want[1:] + "BB\xff\\")); !slices.Equal(got, p) {
		t.Errorf("read as %s", got)
	}
}
