package kernel

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// elsewhere is a network namespace, and the thread that is in it.
type elsewhere struct {
	work chan func()
	fd   int // of the namespace
}

func newElsewhere(t *testing.T) elsewhere {
	t.Helper()
	e := elsewhere{work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			e.fd, err = unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		ready <- err
		for f := range e.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(e.work)
		_ = unix.Close(e.fd)
	})
	return e
}

// do runs a function in the namespace.
func (e elsewhere) do(f func()) {
	done := make(chan struct{})
	e.work <- func() { defer close(done); f() }
	<-done
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

// cable joins a namespace with this one, and gives addresses 1 (here) and 2 of a
// network; tag is a VLAN, or 0.
func (e elsewhere) cable(t *testing.T, name, network string, tag int) {
	t.Helper()
	ip(t, "link", "add", name, "type", "veth", "peer", "name", name+"x")
	t.Cleanup(func() { ip(t, "link", "del", name) })
	e.take(t, name+"x")
	end(t, name, network, "1", tag)
	e.do(func() { end(t, name+"x", network, "2", tag) })
}

// take moves an interface into the namespace.
func (e elsewhere) take(t *testing.T, name string) {
	t.Helper()
	there, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	// struct ifinfomsg, then the namespace to move to.
	body := binary.NativeEndian.AppendUint32(make([]byte, 4), uint32(there.Index))
	body = appendAttributes(append(body, make([]byte, 8)...), attribute{unix.IFLA_NET_NS_FD, word(uint32(e.fd))})
	if _, err := ask(unix.RTM_NEWLINK, unix.NLM_F_ACK, body, 0); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, name, network, host string, tag int) {
	t.Helper()
	ip(t, "link", "set", name, "up")
	if tag != 0 {
		if out, err := exec.CommandContext(t.Context(), "ip", "link", "add", "link", name, "name", name+".7", "type", "vlan", "id", fmt.Sprint(tag)).CombinedOutput(); err != nil {
			t.Skipf("this kernel has no VLANs: %s", out)
		}
		name += ".7"
		ip(t, "link", "set", name, "up")
	}
	ip(t, "-4", "address", "add", fmt.Sprintf("198.51.%s.%s/24", network, host), "dev", name)
	ip(t, "-6", "address", "add", fmt.Sprintf("2001:db8:%s::%s/64", network, host), "dev", name, "nodad")
}

// TestRelayBetweenNetworks: from one interface to another, by neighbours that are
// asked for, with and without a VLAN's tag.
func TestRelayBetweenNetworks(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, tag := range []int{0, 7} {
		for _, classic := range []bool{false, true} {
			name := map[bool]string{false: "TCX", true: "clsact"}[classic] + map[int]string{7: " VLAN"}[tag]
			t.Run(name, func(t *testing.T) { betweenNetworks(t, tag, classic) })
		}
	}
}

func betweenNetworks(t *testing.T, tag int, classic bool) {
	t.Helper()
	left, right := newElsewhere(t), newElsewhere(t)
	left.cable(t, "left", "100", tag)
	right.cable(t, "right", "101", tag)
	r, err := Open(Config{First: testFirst, Last: testFirst + 2*testPairs - 1, Classic: classic, Folder: bpfFolder(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer closeRelay(t, r)
	t.Log(r)
	for _, six := range []bool{false, true} {
		r.throughBoth(t, side{left, "100"}, side{right, "101"}, six)
	}
}

// side is where a party is: its namespace, and the network between it and this one.
type side struct {
	elsewhere
	network string
}

// host gives the party's address (2), or ours on its network (1).
func (s side) host(six bool, host string) string {
	if six {
		return "2001:db8:" + s.network + "::" + host
	}
	return "198.51." + s.network + "." + host
}

// throughBoth has one party heard by the other through the relay.
func (r *Relay) throughBoth(t *testing.T, from, to side, six bool) {
	t.Helper()
	var p parties
	from.do(func() { p.a = listen(t, from.host(six, "2"), 0) })
	p.in, p.out = listen(t, from.host(six, "1"), testFirst), listen(t, to.host(six, "1"), testFirst+2)
	to.do(func() { p.b = listen(t, to.host(six, "2"), 0) })
	p.goesUp(t, rtpPacket(false, 0, 1, 160, 1, nil))
	c, err := r.Carry(p.stream())
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint16(5) {
		p.hears(t, seq+2)
	}
	if got := c.Counts(); got.Packets != 5 {
		t.Errorf("%s to %s, IPv6 %v: counted %+v", from.network, to.network, six, got)
	}
	c.Stop()
	p.goesUp(t, rtpPacket(false, 0, 9, 1440, 1, nil))
}

// TestNothingIsCarriedBesideIPsec: what the kernel redirects would leave in the
// clear.
func TestNothingIsCarriedBesideIPsec(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r, err := Open(Config{First: testFirst, Last: testFirst + 2*testPairs - 1, Folder: bpfFolder(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer closeRelay(t, r)
	p := newParties(t, "127.0.0.1")
	policy := []string{"xfrm", "policy", "add", "dir", "out", "dst", "192.0.2.0/24", "tmpl", "proto", "esp", "mode", "transport"}
	if out, err := exec.Command("ip", policy...).CombinedOutput(); err != nil {
		t.Skipf("this kernel has no IPsec: %s", out)
	}
	if _, err := r.Carry(p.stream()); err == nil || !strings.Contains(err.Error(), "IPsec") {
		t.Errorf("carried beside IPsec: %v", err)
	}
	ip(t, "xfrm", "policy", "flush")
	if _, err := r.Carry(p.stream()); err != nil {
		t.Error(err)
	}
}

func listen(t *testing.T, host string, port uint16) *net.UDPConn {
	t.Helper()
	addr := netip.AddrPortFrom(netip.MustParseAddr(host), port)
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
