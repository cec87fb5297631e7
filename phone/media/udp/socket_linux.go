package udp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is one bound UDP socket.
type socket struct {
	fd  int
	six bool // AF_INET6: IPv4 addresses are mapped on the way
}

// listen binds a socket. An unspecified IPv6 address takes IPv4 too.
func listen(at netip.AddrPort, buffer int) (socket, error) {
	s := socket{six: at.Addr().Is6()}
	family := unix.AF_INET
	if s.six {
		family = unix.AF_INET6
	}
	fd, _, errno := syscall.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return s, fmt.Errorf("udp: open a socket for %v: %w", at, errno)
	}
	s.fd = int(fd)
	if err := s.prepare(at, buffer); err != nil {
		_ = s.close()
		return s, err
	}
	return s, nil
}

// setOption sets an integer option of the socket. Like all calls here that
// cannot wait it is made without telling the scheduler, whose monitor would
// wake for each when the server was idle before.
func (s socket) setOption(level, option, value int) error {
	v := int32(value)
	_, _, errno := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(s.fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func (s socket) prepare(at netip.AddrPort, buffer int) error {
	if s.six {
		only := 1
		if at.Addr().IsUnspecified() {
			only = 0
		}
		if err := s.setOption(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return fmt.Errorf("udp: %v: set IPV6_V6ONLY: %w", at, err)
		}
	}
	if err := s.setOption(unix.SOL_SOCKET, unix.SO_RCVBUF, buffer); err != nil {
		return fmt.Errorf("udp: %v: set the receive buffer to %d: %w", at, buffer, err)
	}
	if err := s.bind(at); err != nil {
		return fmt.Errorf("udp: bind %v: %w", at, err)
	}
	return nil
}

func (s socket) bind(at netip.AddrPort) error {
	raw, size := s.sockaddr(at)
	_, _, errno := syscall.RawSyscall(unix.SYS_BIND, uintptr(s.fd), uintptr(unsafe.Pointer(&raw)), size)
	if errno != 0 {
		return errno
	}
	return nil
}

// sockaddr writes an address as the kernel wants it: a sockaddr_in6, or a
// sockaddr_in at its beginning.
func (s socket) sockaddr(at netip.AddrPort) (raw unix.RawSockaddrInet6, size uintptr) {
	if s.six {
		raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: at.Addr().As16(), Scope_id: zoneID(at.Addr())}
		putPort(&raw.Port, at.Port())
		return raw, unix.SizeofSockaddrInet6
	}
	four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&raw))
	*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: at.Addr().As4()}
	putPort(&four.Port, at.Port())
	return raw, unix.SizeofSockaddrInet4
}

func (s socket) close() error {
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(s.fd), 0, 0); errno != 0 {
		return fmt.Errorf("udp: close: %w", errno)
	}
	return nil
}

// recv reads one datagram. An error that a previous send left on the socket
// (port unreachable) is read away and counts as nothing.
func (s *socket) recv(buf []byte) (int, netip.AddrPort, bool) {
	var (
		from unix.RawSockaddrInet6 // holds an IPv4 address as well
		size = uint32(unix.SizeofSockaddrInet6)
	)
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0,
		uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, netip.AddrPort{}, false
	}
	return int(n), s.address(&from), true
}

func (s *socket) address(from *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&from.Port))[:])
	if !s.six {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), port)
	}
	addr := netip.AddrFrom16(from.Addr).Unmap()
	if from.Scope_id != 0 && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(strconv.FormatUint(uint64(from.Scope_id), 10))
	}
	return netip.AddrPortFrom(addr, port)
}

// send writes one datagram.
func (s *socket) send(b []byte, to netip.AddrPort) error {
	if !s.six && !to.Addr().Unmap().Is4() {
		return fmt.Errorf("udp: send to %v from an IPv4 socket: bind media to :: for both", to)
	}
	raw, size := s.sockaddr(to)
	return s.sendTo(b, unsafe.Pointer(&raw), size)
}

func (s *socket) sendTo(b []byte, to unsafe.Pointer, size uintptr) error {
	_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0,
		uintptr(to), size)
	if errno != 0 {
		return errno
	}
	return nil
}

// putPort writes a port in network order.
func putPort(field *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], port)
}

// zoneID gives the interface of a link-local address that was received, where
// address wrote it as a number.
func zoneID(a netip.Addr) uint32 {
	if a.Zone() == "" {
		return 0
	}
	id, err := strconv.ParseUint(a.Zone(), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(id)
}

// wait asks for ready sockets without waiting; negative on error.
func wait(epoll int, events []unix.EpollEvent) int {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n)
		case unix.EINTR: // to give up now would lose the edge that Go's poller saw
		default:
			return -1
		}
	}
}
