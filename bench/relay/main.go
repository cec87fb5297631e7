// Command relay is the bare RTP relay that Tincan's cost of a packet is compared
// with: what Go alone needs to carry datagrams from one socket to another, with
// no parsing, no statistics and no security.
//
//	X ──> socket a ─goroutine─> socket b ──> Y    (and back)
//
// Each pair learns X and Y from their packets; what comes before both are known
// is dropped. It prints "a b", the ports of a pair, a line each, then "ready".
package main

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
)

// packetBytes holds any packet of RTP over Ethernet.
const packetBytes = 1500

func main() {
	pairs := flag.Int("pairs", 200, "calls to carry: two sockets each")
	flag.Parse()
	for range *pairs {
		if err := pair(); err != nil {
			fmt.Fprintln(os.Stderr, "relay:", err)
			os.Exit(1)
		}
	}
	fmt.Println("ready")
	select {} // until it is killed
}

// side is one socket and who was last heard there.
type side struct {
	conn *net.UDPConn
	peer atomic.Pointer[netip.AddrPort]
}

func pair() error {
	a, err := listen()
	if err != nil {
		return err
	}
	b, err := listen()
	if err != nil {
		return err
	}
	fmt.Println(a.port(), b.port())
	go a.carry(b)
	go b.carry(a)
	return nil
}

func listen() (*side, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	return &side{conn: conn}, err
}

func (s *side) port() int { return s.conn.LocalAddr().(*net.UDPAddr).Port }

// carry sends what comes in on s out of the other side, until s is closed.
func (s *side) carry(to *side) {
	buffer := make([]byte, packetBytes)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if known := s.peer.Load(); known == nil || *known != from {
			s.peer.Store(&from)
		}
		if peer := to.peer.Load(); peer != nil {
			_, _ = to.conn.WriteToUDPAddrPort(buffer[:n], *peer) // a refusal of one packet ends nothing
		}
	}
}
