package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// late makes the last extension of a space.toml one that makes the offer itself when
// it is called.
func late(space string) string { return space + "offer = \"late\"\n" }

// Phones of two makes are called without an offer: they make one, which is answered
// in the ACK, and both sides hear each other; also after a hold.
func TestPhonesMakeTheOffer(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T, *server) peer.Phone{
		"baresip":  func(t *testing.T, s *server) peer.Phone { return baresip(t, s, bob) },
		"linphone": func(t *testing.T, s *server) peer.Phone { return linphone(t, s, bob) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, late(people(ada, bob)))
			a, b := baresip(t, s, ada), start(t, s)
			connect(t, a, b, bob)
			hearEachOther(t, a, adaTone, b, bobTone)
			b.Hold(t)
			a.Ear().Loses(t, bobTone)
			b.Resume(t)
			a.Ear().Hears(t, bobTone) // baresip's recorder does not outlive its own hold
			hangUp(t, a, b)
			s.awaitNoCalls(t)
		})
	}
}

// A trunk that takes no INVITE with an offer, and checks each step: its offer comes in
// its 200, or in a response before that must be acknowledged. What it is sent it
// sends back.
func TestTrunkMakesTheOffer(t *testing.T) {
	t.Parallel()
	port := peer.FreePort(t)
	s := startServer(t, late(people(ada)+trunkAt("cisco", port))+`
[[route]]
number = "7000"
to = "trunk:cisco/7000"
`)
	a := baresip(t, s, ada)
	for name, early := range map[string]bool{"in its answer": false, "before": true} {
		script := peer.NewScript()
		in := script.Incoming("in")
		in.Receive("INVITE", script.CheckNot("m=audio"), script.CheckNot("Content-Type"))
		if early {
			in.Respond("183 Session Progress", "INVITE", "Require: 100rel", "RSeq: 4711", peer.Sound)
			in.Receive("PRACK", script.Check("RAck: 4711"), script.Check("m=audio [1-9][0-9]* RTP/AVP 0"))
			in.Respond("200 OK", "PRACK")
			in.Respond("200 OK", "INVITE")
			in.Receive("ACK", script.CheckNot("m=audio"))
		} else {
			in.Respond("200 OK", "INVITE", peer.Sound)
			in.Receive("ACK", script.Check("m=audio [1-9][0-9]* RTP/AVP 0"))
		}
		in.Receive("BYE")
		in.Respond("200 OK", "BYE")
		trunk := s.run(t, name, script, port)
		a.Dial(t, "7000")
		a.AwaitEstablished(t)
		a.Ear().Hears(t, adaTone)
		a.Hangup(t)
		peer.AwaitSuccess(t, trunk, peer.Patience)
	}
	s.awaitNoCalls(t)
}
