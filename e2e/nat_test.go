package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// A small internet in three network namespaces, with documentation addresses
// (RFC 5737):
//
//	lan 10.77.0.2 ── 10.77.0.1 nat 198.51.100.2 ── 198.51.100.1 public
//	Ada's phone      masquerades, to one block     server, Bob's phone
//	                 of ports, then another
const (
	publicIP  = "198.51.100.1"
	natIP     = "198.51.100.2"
	natLANIP  = "10.77.0.1"
	phoneIP   = "10.77.0.2"
	firstNAT  = "20000-24999"
	secondNAT = "25000-29999"
)

// internet names the three namespaces.
type internet struct{ public, nat, lan peer.Netns }

func TestPhoneBehindNAT(t *testing.T) {
	world := newInternet(t)
	s := startServerAt(t, place{ip: publicIP, netns: world.public}, people(ada, bob))
	a, b := world.phones(t, s)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
	connect(t, b, a, ada)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// TestNATChangesItsMappingMidCall: as when a router forgets or restarts.
func TestNATChangesItsMappingMidCall(t *testing.T) {
	world := newInternet(t)
	s := startServerAt(t, place{ip: publicIP, netns: world.public}, people(ada, bob))
	a, b := world.phones(t, s)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	world.masquerade(t, secondNAT)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// phones are Ada's behind the NAT and Bob's outside.
func (n internet) phones(t *testing.T, s *server) (a, b *peer.Baresip) {
	t.Helper()
	a = baresip(t, s, ada, func(a *peer.Account) { a.IP, a.Netns = phoneIP, n.lan })
	b = baresip(t, s, bob, func(a *peer.Account) { a.IP, a.Netns = publicIP, n.public })
	return a, b
}

func newInternet(t *testing.T) internet {
	t.Helper()
	peer.NeedRoot(t)
	peer.Need(t, "ip", "nft", "conntrack")
	id := fmt.Sprintf("%d%s", os.Getpid(), strings.ToLower(t.Name()[len(t.Name())-3:]))
	n := internet{peer.Netns("tc-pub-" + id), peer.Netns("tc-nat-" + id), peer.Netns("tc-lan-" + id)}
	for _, ns := range []peer.Netns{n.public, n.nat, n.lan} {
		n.ip(t, "netns", "add", string(ns))
		t.Cleanup(func() { n.ip(t, "netns", "delete", string(ns)) })
		n.ip(t, "-n", string(ns), "link", "set", "lo", "up")
	}
	n.wire(t, n.nat, "out", natIP, n.public, "nat", publicIP)
	n.wire(t, n.nat, "in", natLANIP, n.lan, "nat", phoneIP)
	n.ip(t, "-n", string(n.lan), "route", "add", "default", "via", natLANIP)
	n.run(t, "ip", "netns", "exec", string(n.nat), "sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.masquerade(t, firstNAT)
	return n
}

// wire joins two namespaces by a cable with an address at each end.
func (n internet) wire(t *testing.T, a peer.Netns, nameA, ipA string, b peer.Netns, nameB, ipB string) {
	t.Helper()
	n.ip(t, "link", "add", nameA, "netns", string(a), "type", "veth", "peer", "name", nameB, "netns", string(b))
	n.ip(t, "-n", string(a), "address", "add", ipA+"/24", "dev", nameA)
	n.ip(t, "-n", string(b), "address", "add", ipB+"/24", "dev", nameB)
	n.ip(t, "-n", string(a), "link", "set", nameA, "up")
	n.ip(t, "-n", string(b), "link", "set", nameB, "up")
}

// masquerade gives what leaves a source port of a block, and forgets every
// mapping made before.
func (n internet) masquerade(t *testing.T, ports string) {
	t.Helper()
	rules := fmt.Sprintf(`table ip nat
delete table ip nat
table ip nat {
	chain out {
		type nat hook postrouting priority srcnat
		meta l4proto { tcp, udp } oifname "out" masquerade to :%s
	}
}
`, ports)
	command := exec.Command("ip", "netns", "exec", string(n.nat), "nft", "-f", "-")
	command.Stdin = strings.NewReader(rules)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, output)
	}
	n.run(t, "ip", "netns", "exec", string(n.nat), "conntrack", "-F")
}

func (n internet) ip(t *testing.T, args ...string) { t.Helper(); n.run(t, "ip", args...) }

func (n internet) run(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}
