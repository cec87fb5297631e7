package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tincan/phone/media/udp"
)

// kernelNetwork is the machine's network: the one that a Transport has unless
// it is given another.
type kernelNetwork struct{}

// kernelSocket is a UDP socket of the kernel. One on all addresses learns which
// of them a datagram was sent to and says from which one it answers (PKTINFO).
//
// Go's poller watches a set that has the socket in it, not the socket: it asks of
// whatever it watches to be told when it can be written to, so that each datagram
// sent would wake a thread, and the next wait for one that comes would be over at
// once, for nothing.
type kernelSocket struct {
	file  *os.File        // the socket
	raw   syscall.RawConn // of it
	set   *os.File        // of epoll, with the socket alone
	ready syscall.RawConn // of it
	local netip.AddrPort
	wild  bool
	in    *datagram              // of the one reader
	came  func(set uintptr) bool // receive, made once
	out   sync.Pool              // of *datagram
}

// socketBuffer holds a burst of registrations after a power cut.
const socketBuffer = 1 << 20

// sendPatience is how long a datagram that the kernel has no room for waits, and a
// thread with it: then it is lost, as UDP may, and what matters is sent again.
const sendPatience = 200 * time.Millisecond

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
		local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), wild: at.Addr().IsUnspecified(),
		in: newDatagram(unix.SYS_RECVMSG, "recvmsg"), out: sync.Pool{New: func() any { return newDatagram(unix.SYS_SENDMSG, "sendmsg") }},
	}
	s.came = s.receive
	if err = s.take(conn); err == nil {
		err = s.prepare()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// take makes the socket of a connection of Go's its own.
func (s *kernelSocket) take(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	var own error
	err = raw.Control(func(fd uintptr) {
		var n int
		if n, own = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); own == nil {
			patience := unix.NsecToTimeval(int64(sendPatience))
			own = errors.Join(
				unix.SetNonblock(n, false), // else os.NewFile has the poller watch it
				unix.SetsockoptTimeval(n, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience),
			)
			s.file = os.NewFile(uintptr(n), "SIP socket") // which conn's end does not end
		}
	})
	return errors.Join(err, own, conn.Close())
}

// prepare opens the set and sets what a socket on all addresses needs.
func (s *kernelSocket) prepare() (err error) {
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return err
	}
	if s.set, err = udp.Watch(s.raw); err != nil {
		return err
	}
	if s.ready, err = s.set.SyscallConn(); err != nil {
		return err
	}
	if s.wild {
		if err := s.wantPktinfo(); err != nil {
			return fmt.Errorf("ask for destination addresses: %w", err)
		}
	}
	return nil
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

func (s *kernelSocket) Close() error {
	var errs []error
	for _, f := range []*os.File{s.set, s.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *kernelSocket) Recv(b []byte) (n int, from netip.AddrPort, to netip.Addr, err error) {
	m := s.in
	m.receives(b)
	if s.ready.Read(s.came) != nil { // it has no other error, and this one no name
		return 0, from, to, net.ErrClosed
	}
	if err := m.err(); err != nil {
		return 0, from, to, err
	}
	if s.wild {
		to = udp.Destination(m.control(), s.local.Addr())
	}
	return m.n, m.source(), to, nil
}

// receive takes a datagram if there is one; false asks the poller to wait for it.
func (s *kernelSocket) receive(uintptr) bool {
	if s.raw.Control(s.in.call) != nil { // closed meanwhile
		s.in.errno = unix.EBADF
	}
	return s.in.errno != unix.EAGAIN
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
