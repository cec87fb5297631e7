package transport

import (
	"context"
	"net"
	"net/netip"
)

// Network is where sockets are: the machine's, or one in memory for tests in
// virtual time (package memory).
type Network interface {
	// ListenPacket opens a UDP socket; on an unspecified address it takes what is
	// sent to any address of the host.
	ListenPacket(at netip.AddrPort) (PacketConn, error)
	// Listen opens a listener whose connections have *net.TCPAddr addresses.
	Listen(at netip.AddrPort) (net.Listener, error)
	Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// Source is the address of the host that would speak to another; invalid: no
	// route.
	Source(to netip.AddrPort) netip.Addr
}

// PacketConn is a UDP socket. One goroutine at a time calls Recv, any Send.
type PacketConn interface {
	// Recv reads a datagram: from where, and on a socket on all addresses to which
	// one of them. Its error is net.ErrClosed after Close; others pass.
	Recv(b []byte) (n int, from netip.AddrPort, to netip.Addr, err error)
	// Send writes a datagram; from is the address that it should leave from, where
	// the socket has several.
	Send(b []byte, from netip.Addr, to netip.AddrPort) error
	Local() netip.AddrPort
	Close() error
}
