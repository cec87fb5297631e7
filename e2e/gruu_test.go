package e2e

import (
	"os"
	"regexp"
	"testing"

	"tincan/e2e/peer"
)

// registeredAs registers a device that names itself, and gives the public and the
// temporary address (RFC 5627) that it is told.
func (s *server) registeredAs(t *testing.T, number, instance string, port int) (public, temporary string) {
	t.Helper()
	script := peer.NewScript()
	// The answer lists all devices of the number: this one's addresses are in its own Contact.
	own := `Contact: [^\r]*` + instance + `[^\r]*`
	s.registers(t, script, number, `;+sip.instance="<`+instance+`>"`, []string{"Supported: gruu, path"},
		script.Read(own, "contact"), script.Say("[$contact]"))
	r := s.runLogged(t, "register "+number, script, port)
	peer.AwaitSuccess(t, r.Process, peer.Patience)
	text, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	address := func(name string) string {
		found := regexp.MustCompile(name + `="([^"]*)"`).FindSubmatch(text)
		if found == nil {
			t.Fatalf("no %s in %q", name, text)
		}
		return string(found[1])
	}
	return address("pub-gruu"), address("temp-gruu")
}

// Bob has two devices; each of the addresses that one of them is told reaches it
// alone, dialled as it stands by another make's phone.
func TestAddressesOfOneDevice(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	other := baresip(t, s, bob)
	port := peer.FreePort(t)
	public, temporary := s.registeredAs(t, bob, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", port)
	a := baresip(t, s, ada)
	for name, address := range map[string]string{"public": public, "temporary": temporary} {
		answers := peer.NewScript()
		in := answers.Incoming("in")
		in.Receive("INVITE", answers.Check("INVITE sip:"+bob+"@127.0.0.1"))
		in.Respond("180 Ringing", "INVITE")
		in.Respond("200 OK", "INVITE", peer.Sound)
		in.Receive("ACK")
		in.Receive("BYE")
		in.Respond("200 OK", "BYE")
		b := s.run(t, name, answers, port)
		a.Dial(t, address)
		a.AwaitEstablished(t)
		a.Ear().Hears(t, adaTone)
		a.Hangup(t)
		peer.AwaitSuccess(t, b, peer.Patience)
	}
	if other.Rings() > 0 {
		t.Error("the other device rang too")
	}
}
