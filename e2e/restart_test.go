package e2e

import (
	"syscall"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// soundBack is within what the sound of a standing call must return, counted
// from when the server was killed.
const soundBack = 5 * time.Second

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

// TestStandingCallIsAdopted: a call outlives kill -9 of the server, and its end
// in haste; its sound comes back, and a BYE from either side is answered and
// reaches the other.
func TestStandingCallIsAdopted(t *testing.T) {
	for name, restart := range map[string]func(*server, *testing.T){
		"killed": (*server).crash, "stopped twice": (*server).hurry,
	} {
		for _, callerEnds := range []bool{true, false} {
			end := "called ends"
			if callerEnds {
				end = "caller ends"
			}
			t.Run(name+", "+end, func(t *testing.T) {
				t.Parallel()
				s := startServer(t, people(ada, bob))
				a, b := baresip(t, s, ada, traced), baresip(t, s, bob, traced)
				connect(t, a, b, bob)
				hearEachOther(t, a, adaTone, b, bobTone)
				deadline := time.Now().Add(soundBack)
				restart(s, t)
				a.Ear().HearsBy(t, bobTone, deadline)
				b.Ear().HearsBy(t, adaTone, deadline)
				if callerEnds {
					a, b = b, a
				}
				hangUp(t, b, a)
				b.AwaitOK(t, "BYE")
				s.awaitNoCalls(t)
			})
		}
	}
}

// hurry ends the server before its calls are over, as an operator does who
// types Ctrl-C twice, and starts it again.
func (s *server) hurry(t *testing.T) {
	t.Helper()
	s.Signal(t, syscall.SIGTERM)
	s.Await(t, "stopping")
	<-time.After(notOneSignal)
	s.Signal(t, syscall.SIGTERM)
	s.Wait(t, peer.Patience)
	s.start(t)
}

// notOneSignal is how far apart two signals must be so that the server does not
// take them for one that came twice.
const notOneSignal = 400 * time.Millisecond

// TestStopEndsCallsInTime: running calls have a bounded time after SIGTERM; then
// every phone is told that its call is over.
func TestStopEndsCallsInTime(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob), `shutdown = "1s"`)
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.Signal(t, syscall.SIGTERM)
	s.Await(t, "stopping")
	b.Ear().Hears(t, adaTone) // the call has its time
	a.AwaitClosed(t)
	b.AwaitClosed(t)
	s.wantEnd(t)
}

// wantEnd waits for the server's good end, and starts it again for the phones to
// take their leave of.
func (s *server) wantEnd(t *testing.T) {
	t.Helper()
	if code := s.Wait(t, peer.Patience); code != 0 {
		t.Errorf("the server ended with %d, want 0", code)
	}
	s.start(t)
}

// TestStopWaitsForCalls: a server that was told to stop takes no new call, and
// ends by itself once its last is over.
func TestStopWaitsForCalls(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b, c := baresip(t, s, ada), baresip(t, s, bob), baresip(t, s, eve)
	connect(t, a, b, bob)
	s.Signal(t, syscall.SIGTERM)
	s.Await(t, "stopping")
	c.Dial(t, ada)
	wantReason(t, c.AwaitClosed(t), "503")
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	s.wantEnd(t)
}

// TestReloadLeavesCallsAlone: SIGHUP reads the configuration again, whole or not
// at all; the sound of a standing call goes on either way.
func TestReloadLeavesCallsAlone(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	for _, reload := range []struct{ extra, says string }{
		{`shutdown = "5s"`, "configuration read again"},
		{`shutdown = "soon"`, "not taken"},
	} {
		s.configure(t, reload.extra)
		s.Signal(t, syscall.SIGHUP)
		s.Await(t, reload.says)
		hearEachOther(t, a, adaTone, b, bobTone)
	}
	s.configure(t)
	hangUp(t, b, a)
	s.awaitNoCalls(t)
}
