package secure

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFingerprint(t *testing.T) {
	good := "sha-256 " + strings.TrimSuffix(strings.Repeat("4A:", 32), ":")
	f, err := ParseFingerprint(strings.ToLower(good))
	if err != nil || f.Value() != good || !f.Known() {
		t.Errorf("%v, %v", f, err)
	}
	old, err := ParseFingerprint("SHA-1 " + strings.TrimSuffix(strings.Repeat("4A:", 20), ":"))
	if err != nil || old.Known() || old.Of(nil) {
		t.Errorf("SHA-1 proves nobody: %v, %v", old, err)
	}
	short, _ := ParseFingerprint("sha-256 4A:4B")
	if short.Known() {
		t.Error("a digest of two bytes is taken")
	}
	for _, bad := range []string{"", "sha-256", "sha-256 4A4B", "sha-256 4A:", "sha-256 4A:XX", "s\"h 4A", "sha-256 " + strings.Repeat("4A:", 64) + "4A"} {
		if f, err := ParseFingerprint(bad); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%q: %v, %v", bad, f, err)
		}
	}
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add("sha-256 4A:AD:B9")
	f.Add("SHA-512 00")
	f.Fuzz(func(t *testing.T, value string) {
		p, err := ParseFingerprint(value)
		if err != nil {
			return
		}
		again, err := ParseFingerprint(p.Value())
		if err != nil || !cmp.Equal(p, again) {
			t.Fatalf("written %q, read again %v, %v", p.Value(), again, err)
		}
	})
}
