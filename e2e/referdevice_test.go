package e2e

import (
	"fmt"
	"testing"

	"tincan/e2e/peer"
)

// Eve has two phones at the far of two Tincans. Ada of the near one hands Bob, who is
// of the far one, to one of them by the address that this phone alone has (RFC 5627),
// public or temporary: the far one is asked to see to it.
func TestTransferToOneDeviceAcrossATrunk(t *testing.T) {
	t.Parallel()
	far, near := startServer(t, people(bob, eve)), startServer(t, people(ada))
	known := func(s *server) string { return fmt.Sprintf("address = %[1]q\nmatch = [%[1]q]", s.address()) }
	far.apply(t, people(bob, eve)+sister(bob, known(near))+`
[[route]]
from = "trunk:sister"
number = "`+eve+`"
to = "extension:`+eve+`"
`)
	near.apply(t, people(ada)+sister(ada, known(far)))
	a, b, other := linphone(t, near, ada), baresip(t, far, bob), baresip(t, far, eve)
	port := peer.FreePort(t)
	public, temporary := far.registeredAs(t, eve, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", port)
	for name, address := range map[string]string{"public": public, "temporary": temporary} {
		answers := peer.NewScript()
		in := answers.Incoming("in")
		in.Receive("INVITE", answers.Check("INVITE sip:"+eve+"@127.0.0.1"))
		in.Respond("180 Ringing", "INVITE")
		in.Respond("200 OK", "INVITE", peer.Sound)
		in.Receive("ACK")
		in.Receive("BYE")
		in.Respond("200 OK", "BYE")
		device := far.run(t, name, answers, port)
		connect(t, a, b, "9"+bob)
		hearEachOther(t, a, adaTone, b, bobTone)
		a.Transfer(t, address)
		a.AwaitClosed(t)
		b.Ear().Hears(t, bobTone) // what the device sends back
		b.Hangup(t)
		peer.AwaitSuccess(t, device, peer.Patience)
		near.awaitNoCalls(t)
		far.awaitNoCalls(t)
	}
	if other.Rings() > 0 {
		t.Error("the other device rang too")
	}
}
