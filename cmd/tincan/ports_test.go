package main

import (
	"net"
	"testing"
)

// What listens on 0.0.0.0 is on IPv4 alone, as it says, and is known again by it.
func TestListensWhereItIsTold(t *testing.T) {
	for addr, four := range map[string]bool{"0.0.0.0:0": true, "127.0.0.1:0": true, "[::]:0": false} {
		l, err := listenTCP(addr)
		must(t, err)
		if at := l.Addr().(*net.TCPAddr).AddrPort().Addr(); at.Is4() != four {
			t.Errorf("%s is %s", addr, at)
		}
		must(t, l.Close())
	}
}
