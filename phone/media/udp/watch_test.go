package udp

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWatchHearsOfWhatComesAlone: the set is not ready because something was sent.
func TestWatchHearsOfWhatComesAlone(t *testing.T) {
	a, b := loopback(t), loopback(t)
	raw, err := a.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	set, err := Watch(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = set.Close() }()
	if _, err := a.WriteTo([]byte("out"), b.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	_ = b.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := b.ReadFrom(make([]byte, 8)); err != nil {
		t.Fatal(err) // until then it is under way, and room for more is still to come
	}
	ready, err := set.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if n := events(t, ready); n != 0 {
		t.Errorf("%d events after a datagram went out", n)
	}
	if _, err := b.WriteTo([]byte("in"), a.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := ready.Read(func(fd uintptr) bool { return wait(int(fd), make([]unix.EpollEvent, 1)) == 1 }); err != nil {
		t.Fatal(err)
	}
}

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func events(t *testing.T, set interface{ Control(func(uintptr)) error }) (n int) {
	t.Helper()
	if err := set.Control(func(fd uintptr) { n = wait(int(fd), make([]unix.EpollEvent, 1)) }); err != nil {
		t.Fatal(err)
	}
	return n
}
