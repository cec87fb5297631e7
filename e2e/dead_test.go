package e2e

import (
	"fmt"
	"testing"
	"time"

	"tincan/e2e/peer"
)

const (
	// deadAfter is the silence that ends a call in these tests, heldFor a hold
	// that outlasts it by far.
	deadAfter = 2 * time.Second
	heldFor   = 3 * deadAfter

	// reasonForSilence is what a BYE for want of media says.
	reasonForSilence = "no media from "
)

// impatient is a place whose server ends calls after deadAfter of silence.
func impatient() place { return place{ip: "127.0.0.1", deadMedia: deadAfter.String()} }

// TestSilentPhoneEndsItsCall: a phone dies in mid-call without a word; the server
// tells the other side why its call is over.
func TestSilentPhoneEndsItsCall(t *testing.T) {
	t.Parallel()
	s := startServerAt(t, impatient(), people(ada, bob))
	a, b := baresip(t, s, ada, traced), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	b.Kill()
	a.Await(t, reasonForSilence+"extension:"+bob)
	a.AwaitClosed(t)
	wantRecord(t, s.onlyRecord(t), ada, bob, "media-timeout", "server")
}

// TestHeldCallMayBeSilent: a caller that sends no sound has its call for as long
// as it holds it; when it resumes, the silence counts.
func TestHeldCallMayBeSilent(t *testing.T) {
	t.Parallel()
	port := peer.FreePort(t)
	s := startServerAt(t, impatient(), people(ada)+trunkAt("mute", port)+`
[[route]]
from = "trunk:mute"
number = "`+ada+`"
to = "extension:`+ada+`"
`)
	a := baresip(t, s, ada, traced, func(a *peer.Account) { a.Auto = true })
	mute := peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/mute.xml", Remote: s.address(), Service: ada, Port: port, Calls: 1,
		Args: []string{"-d", fmt.Sprint(heldFor.Milliseconds())},
	})
	peer.AwaitSuccess(t, mute, heldFor+peer.Patience)
	a.Await(t, reasonForSilence+"trunk:mute")
	a.AwaitClosed(t)
	got := s.onlyRecord(t)
	if got.Cause != "media-timeout" || got.EndedBy != "server" {
		t.Errorf("ended with %q by %q, want media-timeout by the server", got.Cause, got.EndedBy)
	}
}
