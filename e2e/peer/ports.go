package peer

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// The ports of the tests, in three regions that never meet:
//
//	firstPort..lastPort      SIP, control and HTTP ports: FreePort, a pair each
//	firstBlock..             the servers' RTP ports: FreeBlock, blockPorts each
//	32768.. (the kernel's)   what phones choose themselves: their RTP
//
// A port that is merely free a moment ago may be another's a moment later: of
// the next phone, or of the very phone it was found for, whose SIP socket took
// it before its control port could. So each is reserved until its test ends.
const (
	firstPort = 2000
	lastPort  = 5999

	firstBlock = 10000
	blocks     = 22
	blockPorts = 1000

	// phonePorts are the kernel's ephemeral ports (ip_local_port_range).
	phonePorts = "32768-60999"

	// portTries bounds the search for a port.
	portTries = 200
)

// FreePort returns a port of 127.0.0.1 that is free for UDP and TCP, and is
// nobody else's until the test ends. The port behind it is, too: baresip takes
// that for TLS.
func FreePort(t testing.TB) int {
	t.Helper()
	for range portTries {
		port := firstPort + 2*rand.IntN((lastPort-firstPort)/2)
		if reserve(t, port) && unused(port) && unused(port+1) {
			return port
		}
	}
	t.Fatalf("no port free for both UDP and TCP in %d tries from %d to %d", portTries, firstPort, lastPort)
	return 0
}

// FreeMedia returns a port for SIPp's media, which takes five from there: sound,
// pictures and their RTCP. All are nobody else's until the test ends.
func FreeMedia(t testing.TB) int {
	t.Helper()
	for range portTries {
		port := FreePort(t)
		if port+5 < lastPort && reserve(t, port+2) && reserve(t, port+4) &&
			unused(port+2) && unused(port+3) && unused(port+4) && unused(port+5) {
			return port
		}
	}
	t.Fatalf("no ports free for media in %d tries from %d to %d", portTries, firstPort, lastPort)
	return 0
}

// FreeBlock returns the first and last of a block of ports for a server's RTP,
// which is nobody else's until the test ends: a server that was killed finds
// the ports of its calls again.
func FreeBlock(t testing.TB) (first, last int) {
	t.Helper()
	for range portTries {
		first := firstBlock + blockPorts*rand.IntN(blocks)
		if reserve(t, first) {
			return first, first + blockPorts - 1
		}
	}
	t.Fatalf("no block of ports left in %d tries: %d servers at once are the most", portTries, blocks)
	return 0, 0
}

// reserve claims a port among all tests on this machine, by the name of a
// socket: the kernel gives a name once, and back when the process ends.
func reserve(t testing.TB, port int) bool {
	name, err := net.Listen("unix", fmt.Sprintf("@tincan-e2e-port-%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { _ = name.Close() })
	return true
}

// unused tells whether a port can be opened: programs that are no test have
// theirs too.
func unused(port int) bool {
	address := fmt.Sprintf("%s:%d", localhost, port)
	tcp, err := net.Listen("tcp4", address)
	if err != nil {
		return false
	}
	_ = tcp.Close()
	udp, err := net.ListenPacket("udp4", address)
	if err != nil {
		return false
	}
	_ = udp.Close()
	return true
}
