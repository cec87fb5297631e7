package transport

import (
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tincan/phone/media/udp"
)

// datagram is one recvmsg or sendmsg. The call is made without telling the
// scheduler: one that does not wait is over within microseconds, and telling
// would wake its monitor for every datagram that finds the server idle, which was
// a sixth of what a call cost.
type datagram struct {
	hdr   unix.Msghdr
	iov   unix.Iovec
	addr  unix.RawSockaddrInet6 // holds an IPv4 address as well
	oob   [udp.ControlRoom]byte
	errno syscall.Errno
	n     int
	trap  uintptr
	name  string           // of the call
	call  func(fd uintptr) // do, made once
}

func newDatagram(trap uintptr, name string) *datagram {
	m := &datagram{trap: trap, name: name}
	m.call = m.do
	m.hdr.Name = (*byte)(unsafe.Pointer(&m.addr))
	m.hdr.Iov, m.hdr.Iovlen = &m.iov, 1
	return m
}

// do makes the call. What is to be sent waits where the kernel has no room for
// it, for sendPatience; what is to be received does not.
func (m *datagram) do(fd uintptr) {
	m.errno = unix.EINTR
	for m.errno == unix.EINTR {
		var n uintptr
		n, _, m.errno = syscall.RawSyscall(m.trap, fd, uintptr(unsafe.Pointer(&m.hdr)), unix.MSG_DONTWAIT)
		if m.errno == unix.EAGAIN && m.trap == unix.SYS_SENDMSG {
			n, _, m.errno = syscall.Syscall(m.trap, fd, uintptr(unsafe.Pointer(&m.hdr)), 0)
		}
		m.n = int(n)
	}
}

func (m *datagram) err() error {
	if m.errno != 0 {
		return os.NewSyscallError(m.name, m.errno)
	}
	return nil
}

// over sets the buffer and the control message.
func (m *datagram) over(b, oob []byte) {
	m.iov.Base = unsafe.SliceData(b)
	m.iov.SetLen(len(b))
	m.hdr.Control = unsafe.SliceData(oob)
	m.hdr.SetControllen(len(oob))
}

// receives has the next datagram that comes go into b.
func (m *datagram) receives(b []byte) {
	m.over(b, m.oob[:])
	m.hdr.Namelen = unix.SizeofSockaddrInet6
}

// control is the control message of what came.
func (m *datagram) control() []byte { return m.oob[:m.hdr.Controllen] }

// source gives the sender's address, IPv4 as such.
func (m *datagram) source() netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&m.addr.Port))[:])
	if m.addr.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.addr))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), port)
	}
	addr := netip.AddrFrom16(m.addr.Addr).Unmap()
	if m.addr.Scope_id != 0 && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(udp.Zone(m.addr.Scope_id))
	}
	return netip.AddrPortFrom(addr, port)
}

// send writes a datagram to an address of the socket's family, from an address
// of ours if it is valid.
func (m *datagram) send(raw syscall.RawConn, b []byte, from netip.Addr, to netip.AddrPort, six bool) error {
	m.over(b, udp.Source(m.oob[:], from, six))
	if six {
		m.addr = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16(), Scope_id: udp.ZoneIndex(to.Addr().Zone())}
		m.hdr.Namelen = unix.SizeofSockaddrInet6
	} else {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.addr))
		*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
		m.hdr.Namelen = unix.SizeofSockaddrInet4
	}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&m.addr.Port))[:], to.Port())
	err := raw.Control(m.call)
	m.over(nil, nil)
	if err != nil {
		return err
	}
	return m.err()
}
