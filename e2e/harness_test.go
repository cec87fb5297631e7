package e2e

import (
	"fmt"
	"testing"

	"tincan/e2e/peer"
)

// The scenarios and the NAT are proved without a server: what fails here is the
// harness.

func TestHarnessCallerMeetsCallee(t *testing.T) {
	t.Parallel()
	port := peer.FreePort(t)
	callee := peer.StartSIPp(t, peer.SIPp{Scenario: "testdata/callee.xml", Port: port, Calls: 10})
	caller := peer.StartSIPp(t, peer.SIPp{
		Scenario: "testdata/caller.xml", Remote: fmt.Sprintf("127.0.0.1:%d", port), Service: "9000",
		Calls: 10, Args: []string{"-d", "100"},
	})
	peer.AwaitSuccess(t, caller, peer.Patience)
	peer.AwaitSuccess(t, callee, peer.Patience)
}

func TestHarnessEarlyTone(t *testing.T) {
	t.Parallel()
	port := peer.FreePort(t)
	callee := peer.StartSIPp(t, peer.SIPp{Scenario: "testdata/early.xml", Port: port, Calls: 1, Folder: toneFolder(t)})
	a := peer.StartBaresip(t, peer.Account{Number: ada, Tone: adaTone, Port: peer.FreePort(t)})
	a.Dial(t, fmt.Sprintf("sip:7000@127.0.0.1:%d", port))
	a.AwaitProgress(t)
	a.Ear().Hears(t, eveTone)
	a.Hangup(t)
	peer.AwaitSuccess(t, callee, peer.Patience)
}

// TestHarnessNAT: without a server only the phone outside can hear: the address
// that the one inside states is of no use there.
func TestHarnessNAT(t *testing.T) {
	t.Parallel()
	world := newInternet(t)
	port := peer.FreePort(t)
	b := peer.StartBaresip(t, peer.Account{Number: bob, Tone: bobTone, IP: publicIP, Port: port, Netns: world.public})
	a := peer.StartBaresip(t, peer.Account{Number: ada, Tone: adaTone, IP: phoneIP, Port: peer.FreePort(t), Netns: world.lan})
	connect(t, a, b, fmt.Sprintf("sip:%s@%s:%d", bob, publicIP, port))
	b.Ear().Hears(t, adaTone)
	world.masquerade(t, secondNAT)
	b.Ear().Hears(t, adaTone)
}
