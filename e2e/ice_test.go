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

// A server at a public address leaves the checks to the phones (RFC 8445 2.5): those of
// three makers find their way, calling and called, linphone too, which does not know then
// that it leads.
func TestICELite(t *testing.T) {
	t.Parallel()
	lite := place{ip: "127.0.0.1", more: "[ice]\nmode = \"lite\"\n"}
	ice := func(a *peer.Account) { a.ICE = true }
	for name, phone := range map[string]func(*testing.T, *server) peer.Phone{
		"baresip":  func(t *testing.T, s *server) peer.Phone { return baresip(t, s, ada, ice) },
		"linphone": func(t *testing.T, s *server) peer.Phone { return linphone(t, s, ada, ice) },
		"browser":  func(t *testing.T, s *server) peer.Phone { return browser(t, s, ada) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServerAt(t, lite, eachByICE(ada)+people(bob))
			a, b := phone(t, s), baresip(t, s, bob)
			connect(t, a, b, bob)
			s.Await(t, wayTo(ada))
			hearEachOther(t, a, adaTone, b, bobTone)
			hangUp(t, a, b)
			connect(t, b, a, ada)
			s.Await(t, wayTo(ada))
			hearEachOther(t, a, adaTone, b, bobTone)
			hangUp(t, b, a)
		})
	}
}
