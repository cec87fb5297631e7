package memory

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/sip/transport"
)

var (
	here  = netip.MustParseAddrPort("192.0.2.1:5060")
	there = netip.MustParseAddrPort("192.0.2.2:5060")
)

func open(t *testing.T, h *Host, at netip.AddrPort) transport.PacketConn {
	t.Helper()
	c, err := h.ListenPacket(at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pass sends n numbered datagrams a millisecond apart and gives what arrives.
func pass(t *testing.T, w Weather, seed uint64, n int) (got []byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net := New(seed, w)
		a, b := open(t, net.Host("192.0.2.1"), here), open(t, net.Host("192.0.2.2"), there)
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 10)
			for {
				if _, _, _, err := b.Recv(buf); err != nil {
					return
				}
				got = append(got, buf[0])
			}
		}()
		for i := range n {
			if err := a.Send([]byte{byte(i)}, netip.Addr{}, there); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		_ = b.Close()
		<-done
		if net.Sent() != n {
			t.Errorf("%d counted, %d sent", net.Sent(), n)
		}
	})
	return got
}

func TestWeather(t *testing.T) {
	if got := pass(t, Weather{}, 1, 200); len(got) != 200 || !slices.IsSorted(got) {
		t.Errorf("a cable gave %v", got)
	}
	lossy := pass(t, Weather{Loss: 0.2}, 1, 200)
	if len(lossy) < 130 || len(lossy) > 190 || !slices.IsSorted(lossy) {
		t.Errorf("of 200 with a fifth lost came %d", len(lossy))
	}
	if again := pass(t, Weather{Loss: 0.2}, 1, 200); !slices.Equal(again, lossy) {
		t.Error("the same seed loses others")
	}
	if other := pass(t, Weather{Loss: 0.2}, 2, 200); slices.Equal(other, lossy) {
		t.Error("another seed loses the same")
	}
	if got := pass(t, Weather{Delay: time.Second, Jitter: 20 * time.Millisecond}, 1, 200); len(got) != 200 || slices.IsSorted(got) {
		t.Error("nothing overtakes anything")
	}
	if got := pass(t, Weather{Twice: 0.5}, 1, 200); len(got) < 260 || len(got) > 340 {
		t.Errorf("200 with half of them twice became %d", len(got))
	}
}

func TestMoveAndWildcard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := New(1, Weather{})
		h := net.Host("192.0.2.1", "198.51.100.1", "2001:db8::1")
		all := open(t, h, netip.MustParseAddrPort("[::]:5060"))
		peer := open(t, net.Host("192.0.2.2"), there)
		buf := make([]byte, 10)
		for _, to := range []string{"192.0.2.1:5060", "198.51.100.1:5060"} {
			_ = peer.Send([]byte("x"), netip.Addr{}, netip.MustParseAddrPort(to))
			_, from, at, err := all.Recv(buf)
			if err != nil || from != there || at.String()+":5060" != to {
				t.Fatalf("%v %v %v, want %s", from, at, err, to)
			}
			_ = all.Send([]byte("y"), at, from)
			if _, from, _, _ := peer.Recv(buf); from.String() != to {
				t.Errorf("the answer comes from %v, want %s", from, to)
			}
		}
		h.Move("192.0.2.1", "192.0.2.9")
		_ = peer.Send([]byte("x"), netip.Addr{}, here)
		if net.Lost() != 1 {
			t.Error("something arrived where nobody is any more")
		}
		_ = all.Send([]byte("z"), netip.MustParseAddr("192.0.2.9"), there)
		if _, from, _, _ := peer.Recv(buf); from.String() != "192.0.2.9:5060" {
			t.Errorf("after the move it speaks from %v", from)
		}
		if _, err := h.ListenPacket(netip.MustParseAddrPort("198.51.100.1:5060")); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second socket: %v", err)
		}
		if _, err := h.ListenPacket(netip.MustParseAddrPort("203.0.113.1:5060")); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("somebody else's address: %v", err)
		}
		_ = all.Close()
		if _, _, _, err := all.Recv(buf); err == nil {
			t.Error("a closed socket gives something")
		}
	})
}

func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := New(1, Weather{})
		l, err := net.Host("192.0.2.1").Listen(here)
		if err != nil {
			t.Fatal(err)
		}
		client := net.Host("192.0.2.2")
		c, err := client.Dial(t.Context(), here)
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil || s.RemoteAddr().String() != c.LocalAddr().String() || s.LocalAddr().String() != here.String() {
			t.Fatal(s, err)
		}
		go func() { _, _ = c.Write([]byte("hello")) }()
		buf := make([]byte, 10)
		if n, err := s.Read(buf); err != nil || string(buf[:n]) != "hello" {
			t.Error(n, err)
		}
		_ = l.Close()
		if _, err := l.Accept(); err == nil {
			t.Error("a closed listener accepts")
		}
		if _, err := client.Dial(t.Context(), here); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial where nobody listens: %v", err)
		}
	})
}
