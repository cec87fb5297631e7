package e2e

import (
	"testing"
	"time"

	"tincan/e2e/peer"
)

// awaitFlows waits until n registrations stand.
func (s *server) awaitFlows(t *testing.T, n int) {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * readyPoll)
	defer ticker.Stop()
	for len(s.registrations(t)) != n {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("not %d registrations but %+v", n, s.registrations(t))
		}
	}
}

// Bob's phone keeps two flows to the server (RFC 5626). It rings once, and by the
// one that is left when the other is cut, whichever that is.
func TestTwoFlowsOfAPhone(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	wires := []*peer.Wire{peer.StartWire(t, s.address()), peer.StartWire(t, s.address())}
	a := baresip(t, s, ada)
	b := baresip(t, s, bob, by(s, "tcp"), func(a *peer.Account) { a.Flows = []string{wires[0].Address, wires[1].Address} }, traced)
	s.awaitFlows(t, 3)
	for _, w := range wires {
		w.Cut()
		connect(t, a, b, bob)
		hearEachOther(t, a, adaTone, b, bobTone)
		hangUp(t, a, b)
		w.Mend()
	}
	if n := b.Rings(); n != len(wires) {
		t.Errorf("it rang %d times", n)
	}
}

// A phone on a connection sends empty lines to keep it open, and is answered.
func TestKeepAliveOnAConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada))
	wire := peer.StartWire(t, s.address())
	linphone(t, s, ada, by(s, "tcp"), func(a *peer.Account) { a.Server, a.KeepAlive = wire.Address, time.Second })
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * readyPoll)
	defer ticker.Stop()
	for wire.Pongs() < 2 {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%d keep-alives were answered", wire.Pongs())
		}
	}
}
