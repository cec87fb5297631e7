package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/e2e/peer"
)

func TestPhonesRegister(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada, bob))
			baresip(t, s, ada, by(s, transport))
			linphone(t, s, bob, by(s, transport))
			got := map[string]string{}
			for _, r := range s.registrations(t) {
				got[r.Extension] = r.Transport
			}
			if d := cmp.Diff(map[string]string{ada: transport, bob: transport}, got); d != "" {
				t.Errorf("registered by transport (-want +got):\n%s", d)
			}
		})
	}
}

// TestPhoneRegistersBySHA256: linphone takes the stronger of the two challenges
// that it is offered (RFC 8760), and calls with it.
func TestPhoneRegistersBySHA256(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(bob)+"[[extension]]\nnumber = \""+ada+"\"\nsecret = \""+secretOf(ada)+"\"\ndigest = \"sha256\"\n")
	trace := s.trace(t, ada)
	a, b := linphone(t, s, ada), baresip(t, s, bob)
	if line := trace.Await(t, "Authorization:"); !strings.Contains(line, "SHA-256") {
		t.Errorf("the phone proved itself by %s, want SHA-256", line)
	}
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

func TestWrongSecretIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada))
	b := peer.StartBaresipUnregistered(t, adjusted(s, ada, []func(*peer.Account){
		func(a *peer.Account) { a.Secret = "guessed" },
	}))
	b.AwaitRefused(t)
	if got := s.registrations(t); len(got) != 0 {
		t.Errorf("registered with a wrong secret: %v", got)
	}
}

func TestUnregisteredWhenPhoneStops(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada))
	b := baresip(t, s, ada)
	b.Stop() // a phone that is switched off in order says so: Expires: 0
	if got := s.registrations(t); len(got) != 0 {
		t.Errorf("still registered: %v", got)
	}
}
