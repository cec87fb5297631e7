package kernel

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// cardsEnv tells that this machine has network cards for the test alone: "left" and
// "leftx", "right" and "rightx" on one cable each. e2e starts such a machine.
const cardsEnv = "TINCAN_TEST_CARDS"

// first is the first process, which stays in the namespace where the cards are at
// first: this one's main thread may have left it.
const first = "1"

// offloads are what a card does for the kernel, as ethtool calls it: checksums of what
// is sent and received, and a VLAN's tag put beside a packet instead of into it.
var offloads = []string{"tx", "rx", "txvlan", "rxvlan"}

// TestRelayBetweenCards: from one network card to another of another kind, both ways,
// with and without VLANs, and with each offload on and off.
func TestRelayBetweenCards(t *testing.T) {
	if os.Getenv(cardsEnv) == "" {
		t.Skipf("needs network cards of its own (%s); e2e runs it in a machine that has them", cardsEnv)
	}
	for _, c := range []struct {
		name        string
		left, right int // VLANs
		spare       string
	}{
		{name: "plain"},
		{name: "plain without offloads", spare: "tx rx"},
		{name: "VLAN to VLAN", left: 7, right: 9},
		{name: "VLAN to VLAN without offloads", left: 7, right: 9, spare: "tx rx txvlan rxvlan"},
		{name: "plain to VLAN, only what is sent is offloaded", right: 9, spare: "rx rxvlan"},
		{name: "plain to VLAN, only what is received is offloaded", right: 9, spare: "tx txvlan"},
	} {
		t.Run(c.name, func(t *testing.T) {
			left, right := side{newElsewhere(t), "100"}, side{newElsewhere(t), "101"}
			left.plug(t, "left", c.left, c.spare)
			right.plug(t, "right", c.right, c.spare)
			r, err := Open(Config{First: testFirst, Last: testFirst + 2*testPairs - 1, Folder: bpfFolder(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer closeRelay(t, r)
			t.Log(r)
			for _, six := range []bool{false, true} {
				r.throughBoth(t, left, right, six)
				r.throughBoth(t, right, left, six)
			}
		})
	}
}

// plug lays the cable between two cards, the farther in the namespace, until the test
// ends.
func (s side) plug(t *testing.T, name string, tag int, spare string) {
	t.Helper()
	far := name + "x"
	offload(t, name, spare)
	offload(t, far, spare)
	s.take(t, far)
	end(t, name, s.network, "1", tag)
	s.do(func() { end(t, far, s.network, "2", tag) })
	stands(t, name)
	s.do(func() { stands(t, far) })
	t.Cleanup(func() {
		unplug(t, name)
		s.do(func() {
			unplug(t, far)
			ip(t, "link", "set", far, "netns", first)
		})
	})
}

// stands waits until a card has found out how fast the cable is, which takes seconds:
// what is sent before is lost.
func stands(t *testing.T, name string) {
	t.Helper()
	await(t, func() bool {
		out, err := exec.Command("ip", "link", "show", "dev", name).CombinedOutput()
		return err == nil && strings.Contains(string(out), "LOWER_UP")
	})
}

// unplug takes from a card what end gave it.
func unplug(t *testing.T, name string) {
	t.Helper()
	_ = exec.Command("ip", "link", "del", name+".7").Run() // if there is one
	ip(t, "address", "flush", "dev", name)
	ip(t, "link", "set", name, "down")
}

// offload switches each on, unless it is to be spared. Not every card can do without
// each: what is then at work is logged.
func offload(t *testing.T, name, spare string) {
	t.Helper()
	for _, o := range offloads {
		on := "on"
		if strings.Contains(" "+spare+" ", " "+o+" ") {
			on = "off"
		}
		_ = exec.Command("ethtool", "-K", name, o, on).Run()
	}
	out, err := exec.Command("ethtool", "-k", name).CombinedOutput()
	if err != nil {
		t.Fatalf("ethtool: %v\n%s", err, out)
	}
	var state []string
	for line := range strings.Lines(string(out)) {
		for _, of := range []string{"rx-checksumming", "tx-checksumming", "rx-vlan-offload", "tx-vlan-offload"} {
			if strings.HasPrefix(line, of+":") {
				state = append(state, strings.TrimSpace(line))
			}
		}
	}
	t.Logf("%s: %s", name, strings.Join(state, ", "))
}
