package peer

import (
	"fmt"
	"net"
	"testing"
)

// portTries bounds the search for a port free in both protocols.
const portTries = 50

// FreePort returns a port of 127.0.0.1 that was free for UDP and TCP a moment
// ago. The kernel hands out its ephemeral ports at random, so tests that run at
// the same time hardly ever meet.
func FreePort(t testing.TB) int {
	t.Helper()
	for range portTries {
		if port, ok := freeBoth(); ok {
			return port
		}
	}
	t.Fatalf("no port free for both UDP and TCP in %d tries", portTries)
	return 0
}

func freeBoth() (int, bool) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, false
	}
	defer func() { _ = tcp.Close() }()
	port := tcp.Addr().(*net.TCPAddr).Port
	udp, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, false
	}
	_ = udp.Close()
	return port, true
}
