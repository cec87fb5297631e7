package e2e

import (
	"syscall"
	"testing"

	"tincan/e2e/peer"
)

func TestRegistrationsOutliveAStop(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	s.Signal(t, syscall.SIGTERM)
	s.Wait(t, peer.Patience)
	s.start(t)
	connect(t, a, b, bob) // neither has registered again: they do so each minute
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

func TestKillLosesNoRegistration(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	s.crash(t)
	if got := len(s.registrations(t)); got != 2 {
		t.Errorf("%d registrations after the restart, want 2", got)
	}
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

// TestStandingCallIsAdopted: a call outlives kill -9 of the server; its sound
// comes back, and a BYE from either side reaches the other.
func TestStandingCallIsAdopted(t *testing.T) {
	for _, callerEnds := range []bool{true, false} {
		name := "called ends"
		if callerEnds {
			name = "caller ends"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada, bob))
			a, b := baresip(t, s, ada), baresip(t, s, bob)
			connect(t, a, b, bob)
			hearEachOther(t, a, adaTone, b, bobTone)
			s.crash(t)
			hearEachOther(t, a, adaTone, b, bobTone)
			if callerEnds {
				hangUp(t, a, b)
			} else {
				hangUp(t, b, a)
			}
			s.awaitNoCalls(t)
		})
	}
}
