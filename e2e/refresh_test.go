package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// answersAndWaits registers Bob's phone, which takes a call and waits for its end.
func (s *server) answersAndWaits(t *testing.T) *peer.Process {
	t.Helper()
	port := peer.FreePort(t)
	s.registered(t, bob, port, "")
	script := peer.NewScript()
	in := script.Incoming("in")
	in.Receive("INVITE")
	in.Respond("200 OK", "INVITE", peer.Sound)
	in.Receive("ACK")
	in.Receive("BYE")
	in.Respond("200 OK", "BYE")
	return s.run(t, "answers", script, port)
}

// A phone that refreshes its session itself (RFC 4028), by UPDATE and by re-INVITE;
// an interval that is too short is refused.
func TestPhoneRefreshesItsSession(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	b := s.answersAndWaits(t)
	script := peer.NewScript()
	short := script.Talk("short", s.uri(ada), s.uri(bob))
	short.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), "Supported: timer", "Session-Expires: 30", peer.Sound)
	short.Receive("422", script.Check("Min-SE: 90"))
	short.Send("ACK")
	const mine, granted = "Session-Expires: 90;refresher=uac", "Session-Expires: 90;refresher=uac"
	call := script.Talk("call", s.uri(ada), s.uri(bob))
	call.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), "Supported: timer", mine, peer.Sound)
	call.Receive("200", script.Check(granted), script.Check("Require: timer"))
	call.Send("ACK")
	call.Send("UPDATE", "Supported: timer", mine)
	call.Receive("200", script.Check(granted))
	call.Send("INVITE", "Supported: timer", mine, peer.Sound)
	call.Receive("200", script.Check(granted))
	call.Send("ACK")
	call.Send("BYE")
	call.Receive("200")
	peer.AwaitSuccess(t, s.run(t, "refreshes", script, peer.FreePort(t)), peer.Patience)
	peer.AwaitSuccess(t, b, peer.Patience)
}

// A phone that leaves the refreshing to the server: after half of the shortest
// interval it is asked.
func TestServerRefreshesASession(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	b := s.answersAndWaits(t)
	script := peer.NewScript()
	call := script.Talk("call", s.uri(ada), s.uri(bob))
	call.Send("INVITE", s.proof(t, ada, "INVITE", s.uri(bob)), "Supported: timer", "Session-Expires: 90;refresher=uas",
		"Allow: INVITE, ACK, BYE, CANCEL, UPDATE", peer.Sound)
	call.Receive("200", script.Check("Session-Expires: 90;refresher=uas"))
	call.Send("ACK")
	call.Receive("UPDATE", script.Check("Session-Expires: 90;refresher=uac"))
	call.Respond("200 OK", "UPDATE", "Require: timer\nSession-Expires: 90;refresher=uac")
	call.Send("BYE")
	call.Receive("200")
	peer.AwaitSuccess(t, s.run(t, "is refreshed", script, peer.FreePort(t)), minRefresh+peer.Patience)
	peer.AwaitSuccess(t, b, peer.Patience)
}
