package secure

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	key30 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz" // RFC 4568 6.1's, of 30 bytes
	line  = "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30
)

func TestParseCrypto(t *testing.T) {
	cases := []struct {
		name, value string
		want        string // written again; "": an error
		usable      bool
	}{
		{"plain", line, line, true},
		{"lifetime and MKI", line + "|2^20|1:4", line + "|1:4", true},
		{"MKI alone", line + "|70000:3", line + "|70000:3", true},
		{"hint of a window", line + " WSH=64", line, true},
		{"what may be ignored", line + " -X=1", line, true},
		{"in the clear", line + " UNENCRYPTED_SRTP", line + " UNENCRYPTED_SRTP", false},
		{"rekeying", line + " KDR=10", line + " UNENCRYPTED_SRTP", false},
		{"a suite that nobody has", "2 F8_128_HMAC_SHA1_80 inline:abc", "2 F8_128_HMAC_SHA1_80 inline:", false},
		{"the name as some write it", "3 AES_CM_256_HMAC_SHA1_80 inline:" + strings.Repeat("QUFB", 15) + "QQ==", "3 AES_CM_256_HMAC_SHA1_80 inline:" + strings.Repeat("QUFB", 15) + "QQ==", true},
		{"without the end of base64", "3 AES_256_CM_HMAC_SHA1_80 inline:" + strings.Repeat("QUFB", 15) + "QQ", "3 AES_256_CM_HMAC_SHA1_80 inline:" + strings.Repeat("QUFB", 15) + "QQ==", true},
		{"short key", "1 AES_CM_128_HMAC_SHA1_80 inline:QUFB", "", false},
		{"no base64", "1 AES_CM_128_HMAC_SHA1_80 inline:****", "", false},
		{"two keys", line + "|2^20|1:4;inline:" + key30, "", false},
		{"MKI that does not fit", line + "|256:1", "", false},
		{"MKI of no length", line + "|1:0", "", false},
		{"long MKI", line + "|1:128", "", false},
		{"tag", "x AES_CM_128_HMAC_SHA1_80 inline:" + key30, "", false},
		{"method", "1 AES_CM_128_HMAC_SHA1_80 clear:" + key30, "", false},
		{"short", "1 AES_CM_128_HMAC_SHA1_80", "", false},
	}
	for _, c := range cases {
		got, err := ParseCrypto(c.value)
		if c.want == "" {
			if !errors.Is(err, ErrCrypto) {
				t.Errorf("%s: %v, %v", c.name, got, err)
			}
			continue
		}
		if err != nil || got.Value() != c.want || got.usable() != c.usable {
			t.Errorf("%s: %q, usable %v, %v", c.name, got.Value(), got.usable(), err)
		}
	}
}

func FuzzParseCrypto(f *testing.F) {
	for _, s := range []string{line, line + "|2^20|1:4 WSH=64", "2 F8_128_HMAC_SHA1_80 inline:abc"} {
		f.Add(s)
	}
	for _, c := range Offer() {
		f.Add(c.Value())
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCrypto(value)
		if err != nil {
			return
		}
		if c.Suite != None && len(c.Key) != c.Suite.KeyLen() || len(c.MKI) > maxMKI {
			t.Fatalf("a key of %d bytes for %v, an MKI of %d", len(c.Key), c.Suite, len(c.MKI))
		}
		again, err := ParseCrypto(c.Value())
		if err != nil || !cmp.Equal(c, again) {
			t.Fatalf("written and read again: %v, %v\n%s", again, err, cmp.Diff(c.Value(), again.Value()))
		}
	})
}

// TestOfferAnswer: both ends come to the same keys, the other way round.
func TestOfferAnswer(t *testing.T) {
	offer := Offer()
	answer, theirs, ok := Choose(offer, Crypto{})
	if !ok || answer.Suite != AES128GCM {
		t.Fatalf("answer %v", answer)
	}
	taken, ours, ok := Accepted(offer, []Crypto{answer})
	if !ok || taken.Tag != answer.Tag || !bytes.Equal(ours.Local, theirs.Remote) || !bytes.Equal(ours.Remote, theirs.Local) || !ours.Valid() {
		t.Errorf("taken %v", taken)
	}
	if again, keys, _ := Choose(offer, answer); !bytes.Equal(again.Key, answer.Key) || !keys.Equal(theirs) {
		t.Error("another key for the same offer")
	}
	if next, _, _ := Choose(offer[1:], answer); bytes.Equal(next.Key, answer.Key) || next.Suite != AES128CM80 {
		t.Error("the key of another suite")
	}
}

func TestAcceptedRefuses(t *testing.T) {
	offer := Offer()
	good, _, _ := Choose(offer, Crypto{})
	tag, suite, barred := good, good, good
	tag.Tag, suite.Suite, barred.Barred = 99, AES128CM80, true
	for name, answer := range map[string][]Crypto{
		"nothing": nil, "two": {good, good}, "another tag": {tag}, "another suite": {suite}, "in the clear": {barred},
	} {
		if _, _, ok := Accepted(offer, answer); ok {
			t.Errorf("%s is taken", name)
		}
	}
	if _, _, ok := Choose([]Crypto{barred, {Tag: 1, Name: "F8_128_HMAC_SHA1_80"}}, Crypto{}); ok {
		t.Error("an offer without a line that serves is answered")
	}
}
