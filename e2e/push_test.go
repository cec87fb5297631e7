package e2e

import (
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// What Bob's phone says of its push service (RFC 8599) is told to nobody: not to
// who it talks with, nor to his other devices. It is told itself, by the answer.
func TestPushParametersStayHere(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	const push = ";pn-provider=acme;pn-prid=s3cret-token;pn-param=app"
	port := peer.FreePort(t)
	contact := "Contact: <sip:" + bob + "@[local_ip]:[local_port]" + push + `>;+sip.instance="<urn:uuid:sleepy>"`
	uri := "sip:" + s.address()
	first := peer.NewScript()
	r := first.Talk("register", s.uri(bob), s.uri(bob)).At(uri)
	r.Send("REGISTER", s.proof(t, bob, "REGISTER", uri), contact)
	r.Receive("200", first.Check("pn-prid=s3cret-token"))
	peer.AwaitSuccess(t, s.run(t, "sleepy", first, port), peer.Patience)

	second := peer.NewScript()
	s.registers(t, second, bob, `;+sip.instance="<urn:uuid:other>"`, nil, second.Check("urn:uuid:sleepy"), second.CheckNot("pn-"))
	devices := second.Talk("devices", s.uri(bob), s.uri(bob))
	devices.Send("SUBSCRIBE", s.proof(t, bob, "SUBSCRIBE", s.uri(bob)), "Event: reg", "Expires: 0")
	devices.Receive("200")
	devices.Receive("NOTIFY", second.Check("<contact"), second.CheckNot("pn-"))
	devices.Respond("200 OK", "NOTIFY")
	other := peer.FreePort(t)
	peer.AwaitSuccess(t, s.run(t, "other", second, other), peer.Patience)

	answers := peer.NewScript()
	in := answers.Incoming("in")
	in.Receive("INVITE")
	in.Respond("200 OK", "INVITE", contact, peer.Sound)
	in.Receive("ACK")
	in.Receive("BYE")
	in.Respond("200 OK", "BYE")
	b := s.run(t, "answers", answers, port)
	a := baresip(t, s, ada, traced)
	a.Dial(t, bob)
	a.AwaitEstablished(t)
	a.Ear().Hears(t, adaTone)
	a.Hangup(t)
	peer.AwaitSuccess(t, b, peer.Patience)

	calls := peer.NewScript()
	out := calls.Talk("out", s.uri(bob), s.uri(ada))
	out.Send("INVITE", s.proof(t, bob, "INVITE", s.uri(ada)), contact, peer.Sound)
	out.Receive("200")
	out.Send("ACK")
	out.Receive("BYE")
	out.Respond("200 OK", "BYE")
	b = s.run(t, "calls", calls, port)
	a.AwaitIncoming(t)
	a.Answer(t)
	a.AwaitEstablished(t)
	a.Hangup(t)
	peer.AwaitSuccess(t, b, peer.Patience)
	for _, line := range a.Output() {
		if strings.Contains(line, "pn-") || strings.Contains(line, "s3cret-token") {
			t.Errorf("Ada's phone is told %q", line)
		}
	}
}
