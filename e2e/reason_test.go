package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// Ada's phone called others too and was answered there: Bob's, which rang, is told,
// so that it shows no missed call (RFC 3326). It was asked to answer by itself (RFC
// 5373), which it did not.
func TestReasonAndAnswerModeGoAcross(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	port := peer.FreePort(t)
	s.registered(t, bob, port, "")
	rings := peer.NewScript()
	in := rings.Incoming("in")
	in.Receive("INVITE", rings.Check("Answer-Mode: Auto"), rings.Check("answer-after=0"))
	in.Respond("180 Ringing", "INVITE")
	in.Receive("CANCEL", rings.Check(`Reason: SIP;cause=200;text="Call completed elsewhere"`))
	in.Respond("200 OK", "CANCEL")
	in.Respond("487 Request Terminated", "INVITE")
	in.Receive("ACK")
	b := s.run(t, "rings", rings, port)
	gives := peer.NewScript()
	out := gives.Talk("out", s.uri(ada), s.uri(bob))
	out.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), "Answer-Mode: Auto;require", peer.Sound)
	out.Receive("180")
	out.Send("CANCEL", `Reason: Q.850;cause=26, SIP;cause=200;text="elsewhere"`)
	out.Receive("200")
	out.Receive("487")
	out.Send("ACK")
	peer.AwaitSuccess(t, s.run(t, "gives up", gives, peer.FreePort(t)), peer.Patience)
	peer.AwaitSuccess(t, b, peer.Patience)
	s.awaitNoCalls(t)
}

// Who answered, and who is hung up on, learns why the call ended where it did not
// end in peace.
func TestReasonOfAFailure(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	port := peer.FreePort(t)
	s.registered(t, bob, port, "")
	busy := peer.NewScript()
	in := busy.Incoming("in")
	in.Receive("INVITE")
	in.Respond("486 Busy Here", "INVITE", `Reason: Q.850;cause=17;text="User busy"`)
	in.Receive("ACK")
	b := s.run(t, "busy", busy, port)
	calls := peer.NewScript()
	out := calls.Talk("out", s.uri(ada), s.uri(bob))
	out.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), peer.Sound)
	out.Receive("486", calls.Check(`Reason: SIP;cause=486;text="`))
	out.Send("ACK")
	peer.AwaitSuccess(t, s.run(t, "calls", calls, peer.FreePort(t)), peer.Patience)
	peer.AwaitSuccess(t, b, peer.Patience)
}
