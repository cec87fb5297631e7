package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// Bob's phone sends his calls on to Eve by 302; hers is told so, and why.
func TestPhoneSendsItsCallOn(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	port := peer.FreePort(t)
	s.registered(t, bob, port, "")
	away := peer.NewScript()
	in := away.Incoming("in")
	in.Receive("INVITE")
	in.Respond("302 Moved Temporarily", "INVITE", "Contact: <"+s.uri(eve)+">\nDiversion: <"+s.uri(bob)+">;reason=do-not-disturb")
	in.Receive("ACK")
	b := s.run(t, "away", away, port)
	a, c := linphone(t, s, ada), baresip(t, s, eve, traced)
	a.Dial(t, bob)
	c.AwaitIncoming(t)
	c.Await(t, "History-Info: <sip:102@127.0.0.1>;index=1")
	c.Await(t, "Diversion: <sip:102@127.0.0.1>;reason=do-not-disturb")
	c.Answer(t)
	a.AwaitEstablished(t)
	hearEachOther(t, a, adaTone, c, eveTone)
	hangUp(t, a, c)
	peer.AwaitSuccess(t, b, peer.Patience)
}
