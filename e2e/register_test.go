package e2e

import (
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
