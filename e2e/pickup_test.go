package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// lampOf asks a number's lamp what it shows (a SUBSCRIBE that ends at once); the
// dialog that it shows is read into $id, $local and $remote.
func (s *server) lampOf(t *testing.T, script *peer.Script, watcher, number string) {
	t.Helper()
	lamp := script.Talk("lamp", s.uri(watcher), s.uri(number))
	lamp.Send("SUBSCRIBE", s.proof(t, watcher, "SUBSCRIBE", s.uri(number)), "Event: dialog", "Expires: 0")
	lamp.Receive("200")
	lamp.Receive("NOTIFY", script.Read(`call-id="([^"]*)" local-tag="([^"]*)" remote-tag="([^"]*)"`, "dialog", "id", "local", "remote"))
	lamp.Respond("200 OK", "NOTIFY")
}

// takes is a script's call in the place of the dialog that a lamp showed.
func (s *server) takes(t *testing.T, script *peer.Script, who, of, only string) *peer.Talk {
	t.Helper()
	call := script.Talk("call", s.uri(who), s.uri(of))
	call.Send("INVITE", s.proof(t, who, "INVITE", s.uri(of)), "Require: replaces",
		"Replaces: [$id];to-tag=[$local];from-tag=[$remote]"+only, peer.Sound)
	return call
}

// Eve's phone sees by its lamp that Bob's rings, and takes the call by what the
// lamp told it; early-only, so that it never takes what he has answered.
func TestRingingCallIsPickedUp(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	a.Dial(t, bob)
	b.AwaitIncoming(t)
	script := peer.NewScript()
	s.lampOf(t, script, eve, bob)
	call := s.takes(t, script, eve, bob, ";early-only")
	call.Receive("200")
	call.Send("ACK")
	call.Receive("BYE")
	call.Respond("200 OK", "BYE")
	c := s.run(t, "pick up", script, peer.FreePort(t))
	a.AwaitEstablished(t)
	b.AwaitClosed(t)
	a.Ear().Hears(t, adaTone) // the echo of Eve's phone
	a.Hangup(t)
	peer.AwaitSuccess(t, c, peer.Patience)
	s.awaitNoCalls(t)
}

// early-only takes nothing that is answered (RFC 3891 3), and nobody but the
// extension itself is told the names of a standing call.
func TestAnsweredCallIsNotPickedUp(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	script := peer.NewScript()
	s.lampOf(t, script, bob, bob) // another device of Bob's
	call := s.takes(t, script, bob, bob, ";early-only")
	call.Receive("486")
	call.Send("ACK")
	others := script.Talk("others", s.uri(eve), s.uri(bob))
	others.Send("SUBSCRIBE", s.proof(t, eve, "SUBSCRIBE", s.uri(bob)), "Event: dialog", "Expires: 0")
	others.Receive("200")
	others.Receive("NOTIFY", script.Check("confirmed"), script.CheckNot("call-id|local-tag|remote-tag"))
	others.Respond("200 OK", "NOTIFY")
	peer.AwaitSuccess(t, s.run(t, "too late", script, peer.FreePort(t)), peer.Patience)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// Another device of Bob's takes his standing call over; the sound goes on there.
func TestStandingCallIsTakenOver(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	script := peer.NewScript()
	s.lampOf(t, script, bob, bob)
	call := s.takes(t, script, bob, bob, "")
	call.Receive("200")
	call.Send("ACK")
	call.Receive("BYE")
	call.Respond("200 OK", "BYE")
	other := s.run(t, "other device", script, peer.FreePort(t))
	b.AwaitClosed(t)
	a.Ear().Hears(t, adaTone) // its echo
	a.Hangup(t)
	peer.AwaitSuccess(t, other, peer.Patience)
	s.awaitNoCalls(t)
}
