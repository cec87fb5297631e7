package e2e

import (
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// A phone that offers feedback in the clear (RTP/AVPF) and one that refuses that call
// each other.
func TestPhoneWithFeedback(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a := linphone(t, s, ada, func(a *peer.Account) { a.Feedback = true })
	b := baresip(t, s, bob, traced)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	connect(t, b, a, ada)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
	if said := strings.Join(b.Output(), "\n"); strings.Contains(said, "AVPF") {
		t.Errorf("it was asked for feedback:\n%s", said)
	}
}
