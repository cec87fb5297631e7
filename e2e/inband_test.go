package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// keyed is a space.toml of two people whose keys go as said.
func keyed(adas, bobs string) string {
	return people(ada) + fmt.Sprintf("dtmf = %q\n", adas) + people(bob) + fmt.Sprintf("dtmf = %q\n", bobs)
}

// pressing makes a phone press keys as tones.
func pressing(keys string) func(*peer.Account) {
	return func(a *peer.Account) { a.Keys = keys }
}

// leaked bounds what is heard of a key's tones, 200 ms long, that were told as
// events: less than phones take for a key (40 ms, ITU-T Q.24), within two looks at
// the sound.
const leaked = 80 * time.Millisecond

// A phone whose keys are tones, and one with telephone events.
func TestDigitsAsTones(t *testing.T) {
	t.Parallel()
	const keys = "159#0D"
	s := startServer(t, keyed("inband", "auto"))
	a, b := baresip(t, s, ada, pressing(keys)), baresip(t, s, bob)
	connect(t, a, b, bob)
	for _, key := range keys {
		b.AwaitDigit(t, string(key))
	}
	for _, key := range keys {
		if heard := b.Ear().KeyHeard(t, key); heard > leaked {
			t.Errorf("key %c was told, and heard for %v as well", key, heard)
		}
	}
	for _, key := range "72" {
		b.Digit(t, string(key))
		a.Ear().HearsKey(t, key)
	}
	a.Ear().Hears(t, bobTone)
	var calls []struct {
		Ways []string
		Legs []struct {
			By string `json:"codec_by"`
		}
	}
	s.list(t, &calls, "calls")
	if len(calls) != 1 || !slices.Equal(calls[0].Ways, []string{"transcode"}) || !strings.Contains(calls[0].Legs[0].By, `dtmf = "inband"`) {
		t.Errorf("tincan calls says %+v", calls)
	}
	hangUp(t, b, a)
}

// A phone whose keys are tones is called by one that sends them by INFO.
func TestDigitsByINFOBecomeTones(t *testing.T) {
	t.Parallel()
	s := startServer(t, keyed("auto", "inband"))
	a := linphone(t, s, ada, func(a *peer.Account) { a.InfoDTMF = true })
	b := baresip(t, s, bob)
	connect(t, a, b, bob)
	a.Ear().Hears(t, bobTone)
	for _, key := range "42" {
		a.Digit(t, string(key))
		b.Ear().HearsKey(t, key)
	}
	hangUp(t, a, b)
}

// Tones become INFO for a phone that is to have it.
func TestDigitsAsTonesBecomeINFO(t *testing.T) {
	t.Parallel()
	const keys = "38*"
	s := startServer(t, keyed("info", "inband"))
	a, b := baresip(t, s, ada, traced), baresip(t, s, bob, pressing(keys))
	connect(t, a, b, bob)
	for _, key := range keys {
		a.Await(t, "Signal="+string(key))
		a.AwaitDigit(t, string(key))
	}
	hangUp(t, a, b)
}

// A server that was killed goes on so.
func TestDigitsAsTonesOutliveTheServer(t *testing.T) {
	t.Parallel()
	s := startServer(t, keyed("auto", "inband"))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.crash(t)
	s.start(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	a.Digit(t, "6")
	b.Ear().HearsKey(t, '6')
	hangUp(t, a, b)
}
