package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tincan/e2e/peer"
	"tincan/e2e/tone"
)

// needKernelRelay skips the test where the kernel takes no program from us.
func needKernelRelay(t *testing.T, s *server) {
	t.Helper()
	var st struct {
		Kernel string `json:"kernel_relay"`
	}
	if err := json.Unmarshal(s.tincan(t, "status", "--json"), &st); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(st.Kernel, "by ") {
		t.Skipf("the kernel relay: %s", st.Kernel)
	}
	t.Logf("the kernel relay: %s", st.Kernel)
}

// awaitWay waits until all media are carried in a way.
func (s *server) awaitWay(t *testing.T, way string) {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		var calls []struct {
			Ways []string `json:"ways"`
			Why  []string `json:"not_kernel"`
		}
		s.list(t, &calls, "calls")
		if len(calls) == 1 && strings.Join(calls[0].Ways, " ") == way {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("calls are carried as %+v, want %q", calls, way)
		}
	}
}

// TestKernelRelayOutlivesTheServer: on the loopback, with plain phones that keep
// each packet: the server is stopped, killed and started again, records and ceases
// to; the phones hear one stream without a hole.
func TestKernelRelayOutlivesTheServer(t *testing.T) {
	peer.NeedRoot(t)
	p := plainCallAt(t, place{ip: "127.0.0.1", kernel: "auto"}, "pcmu", "pcmu")
	needKernelRelay(t, p.server)
	a, b := len(p.a.Heard()), len(p.b.Heard())
	p.awaitWay(t, "kernel")

	p.Signal(t, syscall.SIGSTOP)
	p.settle(t)
	p.Signal(t, syscall.SIGCONT)
	for _, file := range []string{"first.wav", "second.wav"} {
		p.tincan(t, "record", p.id, filepath.Join(p.folder, file))
		p.awaitWay(t, "mix")
		p.settle(t)
		p.tincan(t, "record", p.id, "--stop")
		p.settle(t)
		p.awaitWay(t, "kernel")
	}

	p.Signal(t, syscall.SIGKILL)
	<-p.Done()
	p.settle(t)
	p.start(t)
	p.awaitWay(t, "kernel")
	p.settle(t)
	p.tincan(t, "mix", p.id)
	p.awaitWay(t, "mix")
	p.settle(t)
	unbroken(t, "the caller", p.a, a, bobTone)
	unbroken(t, "the called", p.b, b, adaTone)
	p.a.Hangup(t)
	p.awaitNoCalls(t)
}

// TestKernelRelayGivesWayToHold: the held phone hears music in the same stream, and
// the other again after.
func TestKernelRelayGivesWayToHold(t *testing.T) {
	peer.NeedRoot(t)
	music := t.TempDir()
	if err := tone.Write(filepath.Join(music, "a.wav"), tone.Sine(600, 20*time.Second, 16000)); err != nil {
		t.Fatal(err)
	}
	p := plainCallAt(t, place{ip: "127.0.0.1", kernel: "auto", more: "[sound]\nmusic = \"" + music + "\"\n"}, "pcmu", "pcmu")
	needKernelRelay(t, p.server)
	since := len(p.b.Heard())
	for range 2 {
		p.awaitWay(t, "kernel")
		n := len(p.b.Heard())
		p.a.Offer(t, "sendonly")
		p.b.Hears(t, n, 600, stepHeard)
		n = len(p.b.Heard())
		p.a.Offer(t, "sendrecv")
		p.b.Hears(t, n, adaTone, stepHeard)
	}
	p.awaitWay(t, "kernel")
	p.settle(t)
	inOrder(t, "the held", p.b.Heard()[since:], sourceHole)
	p.a.Hangup(t)
	p.awaitNoCalls(t)
}

// TestCallSaysWhyTheKernelDoesNotRelay: a server that may load no program relays by
// itself, and says so beside the call.
func TestCallSaysWhyTheKernelDoesNotRelay(t *testing.T) {
	t.Parallel()
	p := plainCallAt(t, place{ip: "127.0.0.1", kernel: "auto", weak: true}, "pcmu", "pcmu")
	p.awaitWay(t, "relay")
	const reason = "the kernel refuses programs (EPERM)"
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for !strings.Contains(string(p.tincan(t, "calls")), "relay: "+reason) {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("tincan calls says:\n%s", p.tincan(t, "calls"))
		}
	}
	if status := string(p.tincan(t, "status")); !strings.Contains(status, "none: "+reason) {
		t.Errorf("tincan status says:\n%s", status)
	}
	p.a.Hangup(t)
	p.awaitNoCalls(t)
}

// street is three namespaces: a phone in each outer one, the server between.
//
//	left 203.0.113.2 ── 203.0.113.1 server 198.51.100.1 ── 198.51.100.2 right
//	  2001:db8:1::2      2001:db8:1::1      2001:db8:2::1    2001:db8:2::2
type street struct {
	left, middle, right peer.Netns
	out                 string // the interface of the outer two
}

// streets counts them, so that each has names of its own.
var streets atomic.Int32

// paving is what the cables of a street are like.
type paving struct {
	vlan  bool // packets have a tag
	sums  bool // UDP checksums are made by who sends, and looked at by who receives
	cards bool // they are between network cards, which only a machine made for it has
}

func newStreet(t *testing.T, as paving) street {
	t.Helper()
	peer.NeedRoot(t)
	peer.Need(t, "ip", "nsenter", "ethtool")
	id := fmt.Sprintf("%d-%d", os.Getpid(), streets.Add(1))
	n := street{peer.Netns("tc-l-" + id), peer.Netns("tc-m-" + id), peer.Netns("tc-r-" + id), "out"}
	if as.vlan {
		n.out = "out.7"
	}
	for _, ns := range []peer.Netns{n.left, n.middle, n.right} {
		command(t, "ip", "netns", "add", string(ns))
		t.Cleanup(func() { command(t, "ip", "netns", "delete", string(ns)) })
		command(t, "ip", "-n", string(ns), "link", "set", "lo", "up")
	}
	n.wire(t, as, n.left, "left", "203.0.113", "2001:db8:1")
	n.wire(t, as, n.right, "right", "198.51.100", "2001:db8:2")
	return n
}

// wire lays a cable from a namespace's interface "out" to the middle.
func (n street) wire(t *testing.T, as paving, ns peer.Netns, name, four, six string) {
	t.Helper()
	if as.cards {
		n.plug(t, ns, name)
	} else {
		command(t, "ip", "link", "add", "out", "netns", string(ns), "type", "veth", "peer", "name", name, "netns", string(n.middle))
	}
	for _, end := range []struct {
		ns   peer.Netns
		dev  string
		host string
	}{{ns, "out", "2"}, {n.middle, name, "1"}} {
		if as.sums {
			command(t, "nsenter", "--net=/run/netns/"+string(end.ns), "--", "ethtool", "-K", end.dev, "tx", "off", "rx", "off")
		}
		command(t, "ip", "-n", string(end.ns), "link", "set", end.dev, "up")
		if as.vlan {
			tagged := end.dev + ".7"
			if out, err := exec.Command("ip", "-n", string(end.ns), "link", "add", "link", end.dev, "name", tagged, "type", "vlan", "id", "7").CombinedOutput(); err != nil {
				t.Skipf("this kernel has no VLANs: %s", out)
			}
			end.dev = tagged
		}
		command(t, "ip", "-n", string(end.ns), "address", "add", four+"."+end.host+"/24", "dev", end.dev)
		command(t, "ip", "-n", string(end.ns), "address", "add", six+"::"+end.host+"/64", "dev", end.dev, "nodad")
		command(t, "ip", "-n", string(end.ns), "link", "set", end.dev, "up")
	}
	command(t, "ip", "-n", string(ns), "route", "add", "default", "via", four+".1")
	command(t, "ip", "-n", string(ns), "route", "add", "default", "via", six+"::1")
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}

// TestKernelRelayBetweenNetworks: real phones on two networks, IPv4 and IPv6; a
// capture at the called phone's end shows the packets pass while the server stands
// still and while there is none.
func TestKernelRelayBetweenNetworks(t *testing.T) {
	for name, c := range map[string]struct {
		hosts [3]string
		as    paving
	}{
		"IPv4": {street4, paving{}}, "IPv4 with sums": {street4, paving{sums: true}}, "IPv4 in a VLAN": {street4, paving{vlan: true}},
		"IPv6": {street6, paving{}}, "IPv6 with sums": {street6, paving{sums: true}}, "IPv6 in a VLAN": {street6, paving{vlan: true}},
	} {
		t.Run(name, func(t *testing.T) { throughTheStreet(t, newStreet(t, c.as), c.hosts) })
	}
}

// TestKernelRelayCarriesExtensions: packets whose headers tell how loud they are pass
// while the server stands still.
func TestKernelRelayCarriesExtensions(t *testing.T) {
	n := newStreet(t, paving{})
	wire := throughTheStreet(t, n, street4, func(a *peer.Account) { a.Levels = true })
	if n := wire.Extended(street4[2]); n < wireLength {
		t.Errorf("%d packets had a level, want %d at least", n, wireLength)
	}
}

// Who is where in a street: the caller, the server and the called.
var (
	street4 = [3]string{"203.0.113.2", "203.0.113.1", "198.51.100.2"}
	street6 = [3]string{"2001:db8:1::2", "2001:db8:1::1", "2001:db8:2::2"}
)

// throughTheStreet takes the caller's, the server's and the called's host, and how the
// phones differ from others. It gives what the called's end of the cable saw.
func throughTheStreet(t *testing.T, n street, hosts [3]string, change ...func(*peer.Account)) *peer.Capture {
	t.Helper()
	s := startServerAt(t, place{ip: hosts[1], netns: n.middle, kernel: "auto"}, people(ada, bob))
	needKernelRelay(t, s)
	change = append(change, traced)
	a := baresip(t, s, ada, append(change, func(a *peer.Account) { a.IP, a.Netns = hosts[0], n.left })...)
	b := baresip(t, s, bob, append(change, func(a *peer.Account) { a.IP, a.Netns = hosts[2], n.right })...)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.awaitWay(t, "kernel")
	wire := peer.CaptureRTP(t, n.right, n.out)

	s.Signal(t, syscall.SIGSTOP)
	wire.AwaitMore(t, wireLength)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.Signal(t, syscall.SIGCONT)

	a.Digit(t, "5")
	b.AwaitDigit(t, "5")

	s.Signal(t, syscall.SIGKILL)
	<-s.Done()
	wire.AwaitMore(t, wireLength)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.start(t)
	s.awaitWay(t, "kernel")
	wire.AwaitMore(t, wireLength)
	for _, w := range wire.Wrong(hosts[2]) {
		t.Errorf("what the called phone is sent: %s", w)
	}
	hangUp(t, a, b)
	a.AwaitOK(t, "BYE")
	s.awaitNoCalls(t)
	return wire
}

// wireLength is how many packets are waited for: a second of sound both ways.
const wireLength = 100
