package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// A caller that leaves the offer to the server and wants provisional responses to
// arrive (RFC 3262) calls one that sends such: the two SIPps check each step.
func TestLateOfferAndReliableResponses(t *testing.T) {
	t.Parallel()
	from, to := peer.FreePort(t), peer.FreePort(t)
	s := startServer(t, trunkAt("from", from)+trunkAt("to", to)+`
[[route]]
from = "trunk:from"
number = "9000"
to = "trunk:to/9000"
`)
	callee := peer.StartSIPp(t, peer.SIPp{Scenario: "testdata/reliable_callee.xml", Port: to, Calls: 1})
	caller := peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/late_caller.xml", Remote: s.address(), Service: "9000", Port: from, Calls: 1, Rate: 1,
	})
	for _, p := range []*peer.Process{caller, callee} {
		if code := p.Wait(t, peer.Patience); code != 0 {
			t.Errorf("a SIPp ends with %d", code)
		}
	}
}
