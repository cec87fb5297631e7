package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tincan/phone/media/udp"
)

// kernelNetwork is the machine's network: the one that a Transport has unless
// it is given another.
type kernelNetwork struct{}

// kernelSocket is a UDP socket of the kernel. One on all addresses learns which
// of them a datagram was sent to and says from which one it answers (PKTINFO).
type kernelSocket struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	local netip.AddrPort
	wild  bool
	in    *datagram // of the one reader
	out   sync.Pool // of *datagram
}

// socketBuffer holds a burst of registrations after a power cut.
const socketBuffer = 1 << 20

func (kernelNetwork) ListenPacket(at netip.AddrPort) (PacketConn, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp" // [::] takes IPv4 too
		if !at.Addr().IsUnspecified() {
			network = "udp6"
		}
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(socketBuffer)
	s := &kernelSocket{
		conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), wild: at.Addr().IsUnspecified(),
		in: newDatagram(unix.SYS_RECVMSG, "recvmsg"), out: sync.Pool{New: func() any { return newDatagram(unix.SYS_SENDMSG, "sendmsg") }},
	}
	if s.raw, err = conn.SyscallConn(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if s.wild {
		if err := s.wantPktinfo(); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("ask for destination addresses: %w", err)
		}
	}
	return s, nil
}

func (kernelNetwork) Listen(at netip.AddrPort) (net.Listener, error) {
	network := "tcp4"
	if at.Addr().Is6() {
		network = "tcp"
	}
	config := net.ListenConfig{Control: givesUp} // connections have it from their listener
	config.SetMultipathTCP(false)                // which knows no such time in older kernels
	return config.Listen(context.Background(), network, at.String())
}

func (kernelNetwork) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return (&net.Dialer{Control: givesUp}).DialContext(ctx, "tcp", to.String())
}

// givesUp makes the kernel end a connection whose peer acknowledges nothing that it
// is sent, by us or to find out whether it is there (Go has the kernel ask after 15 s
// of silence): without, that takes a quarter of an hour.
func givesUp(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { // a kernel that cannot takes longer
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadTime.Milliseconds()))
	})
}

// Source asks the kernel's routes by a socket that sends nothing.
func (kernelNetwork) Source(remote netip.AddrPort) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

func (s *kernelSocket) Local() netip.AddrPort { return s.local }

func (s *kernelSocket) Close() error { return s.conn.Close() }

func (s *kernelSocket) Recv(b []byte) (n int, from netip.AddrPort, to netip.Addr, err error) {
	n, from, oob, err := s.in.recv(s.raw, b)
	if err == nil && s.wild {
		to = udp.Destination(oob, s.local.Addr())
	}
	return n, from, to, err
}

func (s *kernelSocket) Send(b []byte, from netip.Addr, to netip.AddrPort) error {
	six := s.local.Addr().Is6()
	if !six && !to.Addr().Is4() {
		return fmt.Errorf("udp: send to %v from an IPv4 socket", to)
	}
	if !s.wild {
		from = netip.Addr{}
	}
	m := s.out.Get().(*datagram)
	defer s.out.Put(m)
	err := m.send(s.raw, b, from, to, six)
	if err != nil && from.IsValid() { // perhaps the address that the peer once spoke to is ours no longer
		err = m.send(s.raw, b, netip.Addr{}, to, six)
	}
	return err
}

func (s *kernelSocket) wantPktinfo() error {
	var opt error
	err := s.raw.Control(func(fd uintptr) { opt = udp.WantDestination(int(fd), s.local.Addr().Is6()) })
	return errors.Join(err, opt)
}
