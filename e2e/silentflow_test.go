package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// nft runs rules in a namespace.
func (n internet) nft(t *testing.T, ns peer.Netns, rules string) {
	t.Helper()
	command := exec.Command("ip", "netns", "exec", string(ns), "nft", "-f", "-")
	command.Stdin = strings.NewReader(rules)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, output)
	}
}

// secondDoor makes another port of the server's address lead to the same.
func (n internet) secondDoor(t *testing.T, port, to int) {
	t.Helper()
	n.nft(t, n.nat, fmt.Sprintf(`table ip doors {
	chain in { type nat hook prerouting priority dstnat; ip daddr %s tcp dport %d dnat to :%d; }
}
`, publicIP, port, to))
}

// drop loses what goes over a connection, both ways: neither side is told.
func (n internet) drop(t *testing.T, from string) {
	t.Helper()
	_, port, err := net.SplitHostPort(from)
	if err != nil {
		t.Fatal(err)
	}
	n.nft(t, n.public, fmt.Sprintf(`table ip lost {
	chain in { type filter hook input priority 0; tcp sport %[1]s drop; }
	chain out { type filter hook output priority 0; tcp dport %[1]s drop; }
}
`, port))
}

// flow is a registration as `tincan registrations --json` lists it.
type flow struct {
	Extension, Received string
	Expires             time.Time
	Lost                bool
}

// flowsOf are those of a number, the youngest first.
func (s *server) flowsOf(t *testing.T, number string) []flow {
	t.Helper()
	var all []flow
	s.list(t, &all, "registrations")
	all = slices.DeleteFunc(all, func(f flow) bool { return f.Extension != number })
	slices.SortFunc(all, func(a, b flow) int { return b.Expires.Compare(a.Expires) })
	return all
}

// awaitLost waits until the server has given up the connection of one of a number's flows.
func (s *server) awaitLost(t *testing.T, number string) {
	t.Helper()
	deadline := time.NewTimer(3 * peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * readyPoll)
	defer ticker.Stop()
	for !slices.ContainsFunc(s.flowsOf(t, number), func(f flow) bool { return f.Lost }) {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("the lost flow is taken for a good one:\n%s", s.tincan(t, "registrations"))
		}
	}
}

// Bob's phone is behind a NAT that loses the younger of its two flows without a word
// (RFC 5626): it is called by the other, and the server finds out that the flow is lost.
func TestFlowGoesSilent(t *testing.T) {
	world := newInternet(t)
	s := startServerAt(t, place{ip: publicIP, netns: world.public}, people(ada, bob))
	door := peer.FreePort(t)
	world.secondDoor(t, door, s.sip)
	a := baresip(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = publicIP, world.public })
	b := baresip(t, s, bob, func(b *peer.Account) {
		b.IP, b.Netns, b.Transport = phoneIP, world.lan, "tcp"
		b.Flows = []string{s.address(), fmt.Sprintf("%s:%d", publicIP, door)}
	})
	s.awaitFlows(t, 3)
	world.drop(t, s.flowsOf(t, bob)[0].Received)
	for range 2 {
		connect(t, a, b, bob)
		hearEachOther(t, a, adaTone, b, bobTone)
		hangUp(t, a, b)
		s.awaitLost(t, bob)
	}
	if n := b.Rings(); n != 2 {
		t.Errorf("it rang %d times", n)
	}
}
