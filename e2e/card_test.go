package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"tincan/e2e/peer"
)

// cardsEnv tells tests that they run in a machine with cards for them: "left" and
// "leftx", "right" and "rightx" on one cable each.
const cardsEnv = "TINCAN_TEST_CARDS"

// plug makes the farther card of a cable the namespace's "out", and gives the nearer
// one to the middle. Both come back.
func (n street) plug(t *testing.T, ns peer.Netns, name string) {
	t.Helper()
	const first = "1" // the machine's first process; this one's main thread may be elsewhere
	command(t, "ip", "link", "set", name+"x", "netns", string(ns), "name", "out")
	command(t, "ip", "link", "set", name, "netns", string(n.middle))
	t.Cleanup(func() {
		_ = exec.Command("ip", "-n", string(ns), "link", "del", "out.7").Run() // if there is one
		_ = exec.Command("ip", "-n", string(n.middle), "link", "del", name+".7").Run()
		command(t, "ip", "-n", string(ns), "link", "set", "out", "down")
		command(t, "ip", "-n", string(ns), "link", "set", "out", "netns", first, "name", name+"x")
		command(t, "ip", "-n", string(n.middle), "link", "set", name, "netns", first)
	})
}

// TestKernelRelayOnDebiansKernel: a virtual machine with the kernel that Debian has,
// and with network cards of three kinds, in which run the kernel relay's own tests, and
// phones that call each other from card to card.
//
//	leftx, caller ── cable ── left, server, right ── cable ── rightx, called
//	   virtio              virtio       e1000e                  e1000
func TestKernelRelayOnDebiansKernel(t *testing.T) {
	if os.Getenv(cardsEnv) != "" {
		t.Skip("this is that machine")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the machine's processor is an amd64, and it runs this machine's programs")
	}
	peer.NeedRoot(t)
	peer.Need(t, "qemu-system-x86_64", "apt-get", "dpkg-deb", "ip", "nsenter")
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skipf("the machine's cards need taps: %v (modprobe tun, or give the container the device)", err)
	}
	cables, log := newCables(t), filepath.Join(t.TempDir(), "cable")
	m := cables.machine(t, log)
	codes := m.Run(t)
	if len(codes) != len(m.Commands) {
		t.Fatalf("%d of %d commands ended", len(codes), len(m.Commands))
	}
	for i, code := range codes {
		if code != 0 {
			t.Errorf("%s ended with %d", m.Commands[i].Argv[0], code)
		}
	}
	seen := peer.ReadCableLog(t, log)
	t.Logf("on the cable to the called: %d IPv4 and %d IPv6 plain, %d and %d in VLANs", seen.Plain[0], seen.Plain[1], seen.Tagged[0], seen.Tagged[1])
	if min(seen.Plain[0], seen.Plain[1], seen.Tagged[0], seen.Tagged[1]) == 0 {
		t.Error("a kind is missing")
	}
	for _, w := range seen.Wrong {
		t.Errorf("on the cable to the called: %s", w)
	}
}

// machine has the cards, and runs the kernel relay's own tests and the test below. What
// passes its right cable is logged.
func (c cables) machine(t *testing.T, log string) peer.Machine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "kernel.test")
	if out, err := exec.Command("go", "test", "-c", "-o", unit, "tincan/phone/media/kernel").CombinedOutput(); err != nil {
		t.Fatalf("build the kernel relay's tests: %v\n%s", err, out)
	}
	return peer.Machine{
		Netns: c.ns,
		Cards: []peer.Card{
			{Name: "left", Model: "virtio-net-pci", Cable: "1", Tap: c.taps[0]},
			{Name: "leftx", Model: "virtio-net-pci", Cable: "1", Tap: c.taps[1]},
			{Name: "right", Model: "e1000e", Cable: "2"},
			{Name: "rightx", Model: "e1000", Cable: "2", Log: log},
		},
		Modules: []string{
			"virtio_pci", "9pnet_virtio", "9p", "virtio_net", "e1000", "e1000e",
			"8021q", "veth", "vxlan", "sch_ingress", "cls_bpf", "xfrm_user",
		},
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/run", "TMPDIR=/run",
			cardsEnv + "=1", peer.RequireEnv + "=1", binaryEnv + "=" + os.Getenv(binaryEnv),
		},
		Commands: []peer.Command{
			{Dir: "/run", Argv: []string{unit, "-test.v"}},
			{Dir: here, Argv: []string{self, "-test.v", "-test.run", "^TestKernelRelayBetweenCards$"}},
		},
	}
}

// cables is a switch of this machine's to which virtio cards are plugged, so that they
// do for the kernels at both ends what they can: between cards of one machine qemu
// itself lets none compute or leave out a checksum.
type cables struct {
	ns   peer.Netns
	taps [2]string
}

func newCables(t *testing.T) cables {
	t.Helper()
	c := cables{peer.Netns(fmt.Sprintf("tc-vm-%d", os.Getpid())), [2]string{"tap0", "tap1"}}
	in := string(c.ns)
	command(t, "ip", "netns", "add", in)
	t.Cleanup(func() { command(t, "ip", "netns", "delete", in) })
	command(t, "ip", "-n", in, "link", "add", "switch", "type", "bridge")
	command(t, "ip", "-n", in, "link", "set", "switch", "up")
	for _, tap := range c.taps {
		command(t, "ip", "-n", in, "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr")
		command(t, "ip", "-n", in, "link", "set", tap, "master", "switch", "up")
	}
	return c
}

// TestKernelRelayBetweenCards: phones call each other from network card to network
// card, in the machine that the test above makes.
func TestKernelRelayBetweenCards(t *testing.T) {
	if os.Getenv(cardsEnv) == "" {
		t.Skipf("needs network cards of its own (%s): see TestKernelRelayOnDebiansKernel", cardsEnv)
	}
	for name, c := range map[string]struct {
		hosts [3]string
		as    paving
	}{
		"IPv4":           {street4, paving{cards: true}},
		"IPv6 in a VLAN": {street6, paving{cards: true, vlan: true}},
	} {
		t.Run(name, func(t *testing.T) { throughTheStreet(t, newStreet(t, c.as), c.hosts) })
	}
}
