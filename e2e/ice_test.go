package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"tincan/e2e/peer"
)

// Phones that look for their way by ICE: they offer it and are answered with it,
// and are offered it if their extension says so. A phone that does not know it
// sees nothing of it.
func TestICE(t *testing.T) {
	t.Parallel()
	wanted := eachByICE(ada) + people(bob)
	ice := func(a *peer.Account) { a.ICE = true }
	for name, phone := range map[string]func(*server) peer.Phone{
		"baresip":  func(s *server) peer.Phone { return baresip(t, s, ada, ice) },
		"linphone": func(s *server) peer.Phone { return linphone(t, s, ada, ice) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, wanted)
			a, b := phone(s), baresip(t, s, bob)
			connect(t, a, b, bob)
			s.Await(t, wayTo(ada))
			hearEachOther(t, a, adaTone, b, bobTone)
			hangUp(t, a, b)
			connect(t, b, a, ada)
			s.Await(t, wayTo(ada))
			hearEachOther(t, a, adaTone, b, bobTone)
			hangUp(t, b, a)
			if said := strings.Join(s.Output(), "\n"); strings.Contains(said, wayTo(bob)) {
				t.Errorf("ICE with a phone that does not speak it:\n%s", said)
			}
		})
	}
}

// wayTo is what the server says when ICE has found a phone.
func wayTo(number string) string {
	return fmt.Sprintf(`"msg":"ICE found a way","party":"extension:%s"`, number)
}

// TestICEOverKill: a call whose phone was found by ICE goes on when the server is
// killed and started again.
func TestICEOverKill(t *testing.T) {
	t.Parallel()
	s := startServer(t, eachByICE(ada)+people(bob))
	a, b := baresip(t, s, ada, func(a *peer.Account) { a.ICE = true }), baresip(t, s, bob)
	connect(t, a, b, bob)
	s.Await(t, wayTo(ada))
	hearEachOther(t, a, adaTone, b, bobTone)
	s.Signal(t, syscall.SIGKILL)
	<-s.Done()
	s.start(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}
