package udp_test

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"tincan/phone/media/udp"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// echo sends back what it gets, from the port that it came to.
type echo struct {
	mu   sync.Mutex
	pair *udp.Pair
}

func (e *echo) Readable(control bool, buf []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n, from, ok := e.pair.Recv(control, buf); ok {
		_ = e.pair.Send(control, buf[:n], from)
	}
}

// open finds an even port that is free with its next.
func (e *echo) open(t *testing.T, p *udp.Poller, bind netip.Addr) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for port := uint16(40000); port < 60000; port += 2 {
		pair, err := p.Open(bind, port, udp.Buffers{Media: 65536, Control: 16384}, e)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		e.pair = pair
		return
	}
	t.Fatal("no port is free")
}

func (e *echo) close(t *testing.T) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.pair.Close(); err != nil {
		t.Error(err)
	}
}

func newPoller(t *testing.T) *udp.Poller {
	t.Helper()
	p, err := udp.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestDatagramsThereAndBack(t *testing.T) {
	cases := []struct{ bind, dial netip.Addr }{
		{loopback, loopback},
		{netip.IPv4Unspecified(), loopback},
		{netip.IPv6Loopback(), netip.IPv6Loopback()},
		{netip.IPv6Unspecified(), loopback}, // one socket for both families
	}
	for _, c := range cases {
		t.Run(c.bind.String(), func(t *testing.T) {
			probe, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(c.bind, 0)))
			if err != nil {
				t.Skipf("no socket on %v: %v", c.bind, err)
			}
			_ = probe.Close()
			e := &echo{}
			e.open(t, newPoller(t), c.bind)
			defer e.close(t)
			for i := range uint16(2) {
				roundTrip(t, netip.AddrPortFrom(c.dial, e.pair.Port()+i))
			}
		})
	}
}

func roundTrip(t *testing.T, to netip.AddrPort) {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for range 100 {
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil || string(buf[:n]) != "hello" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
	}
}

func TestPortsAreRefusedAndGivenBack(t *testing.T) {
	p := newPoller(t)
	e := &echo{}
	e.open(t, p, loopback)
	port := e.pair.Port()
	if _, err := p.Open(loopback, port, udp.Buffers{}, e); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a taken port: %v", err)
	}
	if _, err := p.Open(loopback, port+1, udp.Buffers{}, e); err == nil {
		t.Error("an odd port was taken for RTP")
	}
	e.close(t)
	e.close(t)
	if err := e.pair.Send(false, []byte{1}, netip.AddrPortFrom(loopback, 9)); err == nil {
		t.Error("sent on a closed port")
	}
	again, err := p.Open(loopback, port, udp.Buffers{Media: 65536, Control: 16384}, e)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
