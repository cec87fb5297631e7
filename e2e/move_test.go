package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// Bob's phone changes its network within a call: it registers from another address
// (the same instance), and is asked for its media there; the sound follows, and so
// does the end.
func TestPhoneMovesWithinACall(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	const instance, elsewhere = `;+sip.instance="<urn:uuid:pocket>"`, "127.0.0.2"
	port, next := peer.FreePort(t), peer.FreePort(t)
	s.registered(t, bob, port, instance)
	home := peer.NewScript()
	in := home.Incoming("in")
	in.Receive("INVITE")
	in.Respond("200 OK", "INVITE", peer.Sound)
	in.Receive("ACK")
	in.Receive("BYE") // which never comes here
	b := s.run(t, "at home", home, port)
	a := baresip(t, s, ada)
	a.Dial(t, bob)
	a.AwaitEstablished(t)
	a.Ear().Hears(t, adaTone) // the echo
	b.Stop()

	moves := peer.NewScript()
	s.registers(t, moves, bob, instance, nil)
	peer.AwaitSuccess(t, s.runAt(t, elsewhere, "moves", moves, next), peer.Patience)
	away := peer.NewScript()
	on := away.Within("on")
	on.Receive("INVITE", away.Check("m=audio [1-9]"))
	on.Respond("200 OK", "INVITE", peer.Sound)
	on.Receive("ACK")
	on.Receive("BYE")
	on.Respond("200 OK", "BYE")
	b = s.runAt(t, elsewhere, "away", away, next)
	a.Ear().Hears(t, adaTone)
	a.Hangup(t)
	peer.AwaitSuccess(t, b, peer.Patience)
	s.awaitNoCalls(t)
}
