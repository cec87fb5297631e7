package main

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
)

// stunPeer answers binding requests with an address, or with what is no answer.
func stunPeer(t *testing.T, reply func(*stun.Message) []byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = c.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: b[:n]}
			if m.Decode() == nil {
				_, _ = c.WriteTo(reply(m), from)
			}
		}
	}()
	return c.LocalAddr().String()
}

func TestPublicAddressBySTUN(t *testing.T) {
	mapped := &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: 4242}
	good := stunPeer(t, func(m *stun.Message) []byte {
		return stun.MustBuild(m, stun.BindingSuccess, mapped).Raw
	})
	if a, err := askSTUN(t.Context(), good); err != nil || a != netip.MustParseAddr("203.0.113.9") {
		t.Errorf("%v, %v", a, err)
	}
	forged := stunPeer(t, func(*stun.Message) []byte {
		return stun.MustBuild(stun.TransactionID, stun.BindingSuccess, mapped).Raw
	})
	if a, err := askSTUN(t.Context(), forged); err == nil {
		t.Errorf("an answer to another question was taken: %v", a)
	}
	junk := stunPeer(t, func(*stun.Message) []byte { return []byte("junk") })
	if a, err := askSTUN(t.Context(), junk); err == nil {
		t.Errorf("junk was taken: %v", a)
	}
}

// An address that is given is told; one that is taken away again is not.
func TestGivenAddress(t *testing.T) {
	o := newOutside(slog.New(slog.DiscardHandler))
	o.server = "127.0.0.1:9" // nobody
	o.found = func(netip.Addr) {}
	o.start("198.51.100.4")
	if got := o.addr(); got != netip.MustParseAddr("198.51.100.4") {
		t.Error(got)
	}
	o.start("198.51.100.5")
	if got := o.addr(); got != netip.MustParseAddr("198.51.100.5") {
		t.Error(got)
	}
	o.start("")
	if got := o.addr(); got.IsValid() {
		t.Errorf("%v is told after it was taken away", got)
	}
	if err := o.close(); err != nil {
		t.Error(err)
	}
}
