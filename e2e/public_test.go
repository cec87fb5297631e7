package e2e

import (
	"fmt"
	"testing"

	"tincan/e2e/peer"
)

// A phone without an account calls the lounge, and nothing else.
func TestStrangerCallsTheLounge(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(bob)+`
[[public]]
name = "lounge"
to = "extension:102"
`)
	b := baresip(t, s, bob)
	a := peer.StartBaresip(t, peer.Account{Number: ada, Tone: adaTone, Port: peer.FreePort(t)})
	a.Dial(t, fmt.Sprintf("sip:%s@%s", bob, s.address()))
	a.AwaitClosed(t)
	connect(t, a, b, "sip:lounge@"+s.address())
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	s.awaitNoCalls(t)
}
