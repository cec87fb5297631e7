package e2e

import (
	"fmt"
	"testing"

	"github.com/icholy/digest"

	"tincan/e2e/peer"
)

// proof is the header by which a number's phone proves itself in a request of a
// script, with a nonce that was asked for beforehand.
func (s *server) proof(t *testing.T, number, method, uri string) string {
	t.Helper()
	value, err := digest.Digest(challenged(t, s, number), digest.Options{
		Method: method, URI: uri, Username: number, Password: secretOf(number), Count: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + value.String()
}

// run starts a script as a phone at a port, whose sound comes back as an echo.
func (s *server) run(t *testing.T, name string, script *peer.Script, port int, args ...string) *peer.Process {
	t.Helper()
	return s.runAt(t, "127.0.0.1", name, script, port, args...)
}

// runAt is run at another address than the usual.
func (s *server) runAt(t *testing.T, ip, name string, script *peer.Script, port int, args ...string) *peer.Process {
	t.Helper()
	return peer.StartSIPp(t, peer.SIPp{
		Script: script, Name: name, Remote: s.address(), IP: ip, Port: port, Calls: 1,
		Args: append([]string{"-mp", fmt.Sprint(peer.FreeMedia(t)), "-rtp_echo"}, args...),
	})
}

// registered registers a number's phone at a port, from where a script takes
// over. contact is what its Contact has beside the address.
func (s *server) registered(t *testing.T, number string, port int, contact string, headers ...string) {
	t.Helper()
	script := peer.NewScript()
	s.registers(t, script, number, contact, headers)
	peer.AwaitSuccess(t, s.run(t, "register", script, port), peer.Patience)
}

// registers is a script's REGISTER and its answer, of which actions read.
func (s *server) registers(t *testing.T, script *peer.Script, number, contact string, headers []string, actions ...string) {
	t.Helper()
	aor, uri := s.uri(number), "sip:"+s.address()
	r := script.Talk("register", aor, aor).At(uri)
	r.Send("REGISTER", append(headers, s.proof(t, number, "REGISTER", uri),
		"Contact: <sip:"+number+"@[local_ip]:[local_port];transport=[transport]>"+contact)...)
	r.Receive("200", actions...)
}
