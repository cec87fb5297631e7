package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const insideEnv = "TINCAN_TEST_NAMESPACE"

// inNamespace runs the calling test once more in a process with network and
// mounts of its own, and tells whether this is that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("ip: %v\n%s", err, out)
		}
		return true
	}
	if err := Try(); err != nil {
		t.Skipf("needs a kernel that takes the program: %v", err)
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip (Debian's iproute2)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), insideEnv+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	out, err := command.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skipf("needs to make namespaces: %v", err)
	}
	t.Logf("in a namespace:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// bpfFolder mounts a bpf file system.
func bpfFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := unix.Mount("bpf", folder, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(folder, "tincan-test")
}

// parties are two phones and the ports between them, all on the loopback.
type parties struct {
	a, b, in, out *net.UDPConn
}

func newParties(t *testing.T, host string) parties {
	t.Helper()
	return parties{listen(t, host, 0), listen(t, host, 0), listen(t, host, testFirst), listen(t, host, testFirst+2)}
}

func at(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// stream is what a says to b.
func (p parties) stream() Stream {
	return Stream{
		Port: testFirst, Local: at(p.in).Addr(), Remote: at(p.a), From: at(p.out), To: at(p.b),
		SSRC: 1, SSRCOut: 2, SeqOff: 10, TimeOff: 20, Payloads: []Payload{{0, 8}}, Clock: 8000, Highest: 0,
	}
}

// patience is how long what must come may take, on a machine that another one computes.
const patience = 30 * time.Second

// hears sends a packet and wants it at b, changed.
func (p parties) hears(t *testing.T, seq uint16) {
	t.Helper()
	payload := binary.BigEndian.AppendUint16([]byte("sound "), seq)
	if _, err := p.a.WriteToUDPAddrPort(rtpPacket(false, 0, seq, uint32(seq)*160, 1, payload), at(p.in)); err != nil {
		t.Fatal(err)
	}
	got, from := receive(t, p.b)
	if from != at(p.out) {
		t.Errorf("heard from %v, want %v", from, at(p.out))
	}
	if want := rtpPacket(false, 8, seq+10, uint32(seq)*160+20, 2, payload); !bytes.Equal(want, got) {
		t.Errorf("heard % x, want % x", got, want)
	}
}

func receive(t *testing.T, c *net.UDPConn) ([]byte, netip.AddrPort) {
	t.Helper()
	b := make([]byte, 2000)
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// goesUp sends a packet and wants it at our port.
func (p parties) goesUp(t *testing.T, packet []byte) {
	t.Helper()
	if _, err := p.a.WriteToUDPAddrPort(packet, at(p.in)); err != nil {
		t.Fatal(err)
	}
	if got, _ := receive(t, p.in); !bytes.Equal(packet, got) {
		t.Errorf("the process got % x, want % x", got, packet)
	}
}

// TestRelayOnLoopback: real sockets, both ways of attaching, both families.
func TestRelayOnLoopback(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, classic := range []bool{false, true} {
			t.Run(host+map[bool]string{true: " clsact"}[classic], func(t *testing.T) {
				r, err := Open(Config{First: testFirst, Last: testFirst + 2*testPairs - 1, Classic: classic, Folder: bpfFolder(t)})
				if err != nil {
					t.Fatal(err)
				}
				defer closeRelay(t, r)
				p := newParties(t, host)
				p.goesUp(t, rtpPacket(false, 0, 1, 160, 1, nil))
				c, err := r.Carry(p.stream())
				if err != nil {
					t.Fatal(err)
				}
				p.hears(t, 2)
				p.hears(t, 3)
				p.goesUp(t, rtpPacket(true, 101, 4, 640, 1, []byte{1, 0, 0, 0}))
				if got := c.Counts(); got.Packets != 2 || got.Highest != 3 || got.Octets != 16 {
					t.Errorf("counted %+v", got)
				}
				c.Stop()
				p.goesUp(t, rtpPacket(false, 0, 5, 800, 1, nil))

				network := netip.PrefixFrom(at(p.b).Addr(), at(p.b).Addr().BitLen())
				if c, err = r.Carry(p.stream()); err != nil {
					t.Fatal(err)
				}
				r.Ban(network)
				p.goesUp(t, rtpPacket(false, 0, 6, 960, 1, nil))
				if _, err := r.Carry(p.stream()); err == nil || !c.Stopped() {
					t.Errorf("a banned party is carried: %v", err)
				}
				r.Allow(network)
				if _, err := r.Carry(p.stream()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestRelayOutlivesItsProcess: what is pinned carries on, and the next process
// goes on with it or stops it.
func TestRelayOutlivesItsProcess(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, classic := range []bool{false, true} {
		t.Run(map[bool]string{false: "TCX", true: "clsact"}[classic], func(t *testing.T) { outlives(t, classic) })
	}
}

func outlives(t *testing.T, classic bool) {
	t.Helper()
	config := Config{
		First: testFirst, Last: testFirst + 2*testPairs - 1, Classic: classic, Folder: bpfFolder(t),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	first, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	p := newParties(t, "127.0.0.1")
	if _, err := first.Carry(p.stream()); err != nil {
		t.Fatal(err)
	}
	p.hears(t, 1)
	first.die(t)
	p.hears(t, 2)

	second, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	p.hears(t, 3)
	again := p.stream()
	again.Standing = true
	c, err := second.Carry(again)
	if err != nil {
		t.Fatal(err)
	}
	second.Disown()
	p.hears(t, 4)
	if got := c.Counts(); got.Packets != 4 || got.Highest != 4 || got.Base != 0 {
		t.Errorf("counted %+v, want what the first carried too", got)
	}
	second.die(t)

	third, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	p.hears(t, 5)
	third.Disown()
	p.goesUp(t, rtpPacket(false, 0, 6, 960, 1, nil))
	closeRelay(t, third)
	if left, err := os.ReadDir(config.Folder); !os.IsNotExist(err) {
		t.Errorf("%d pins are left: %v", len(left), err)
	}
}

// TestTwoRelaysOnOneMachine: each carries its own, and one that ends leaves the
// other alone.
func TestTwoRelaysOnOneMachine(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, classic := range []bool{false, true} {
		t.Run(map[bool]string{false: "TCX", true: "clsact"}[classic], func(t *testing.T) {
			folder := bpfFolder(t)
			open := func(name string, first uint16) *Relay {
				t.Helper()
				r, err := Open(Config{First: first, Last: first + 2*testPairs - 1, Classic: classic, Folder: folder + name})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			one, other := open("one", testFirst), open("other", testFirst+1000)
			defer closeRelay(t, one)
			p := newParties(t, "127.0.0.1")
			if _, err := one.Carry(p.stream()); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Carry(p.stream()); err == nil {
				t.Error("a port of the other's range was carried")
			}
			p.hears(t, 1)
			other.Disown()
			closeRelay(t, other)
			p.hears(t, 2)
		})
	}
}

// TestInterfacesComeAndGo: one that comes later is served, one that goes is
// forgotten, and with it the streams that leave by it.
func TestInterfacesComeAndGo(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r, err := Open(Config{First: testFirst, Last: testFirst + 2*testPairs - 1, Folder: bpfFolder(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer closeRelay(t, r)
	hooks := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.hooks)
	}
	st := local(false)
	if _, err := r.Carry(st); err == nil {
		t.Fatal("carried without a route")
	}
	ip(t, "link", "add", "one", "type", "veth", "peer", "name", "two")
	ip(t, "address", "add", "198.51.100.1/24", "dev", "one")
	ip(t, "link", "set", "two", "up")
	ip(t, "link", "set", "one", "up")
	await(t, func() bool { return hooks() >= 2 })
	c, err := r.Carry(st)
	if err != nil {
		t.Fatal(err)
	}
	ip(t, "link", "del", "one")
	await(t, func() bool { return hooks() == 1 && c.Stopped() })
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatal("it does not come to it")
		}
	}
}

// die leaves everything as a process that is killed does.
func (r *Relay) die(t *testing.T) {
	t.Helper()
	if err := r.events.Close(); err != nil {
		t.Error(err)
	}
	r.watcher.Wait()
	for _, h := range r.hooks {
		if l, ok := h.(tcx); ok {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := r.release(); err != nil {
		t.Error(err)
	}
}

func closeRelay(t *testing.T, r *Relay) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
