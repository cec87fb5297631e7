package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
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
	return net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
}

func (kernelNetwork) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
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
		to = destination(oob, s.local.Addr())
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
	err := s.raw.Control(func(fd uintptr) {
		if s.local.Addr().Is4() {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	return errors.Join(err, opt)
}

// destination reads the address that a datagram was sent to out of its
// control message.
func destination(oob []byte, fallback netip.Addr) netip.Addr {
	for len(oob) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
		if h.Len < unix.SizeofCmsghdr || uint64(h.Len) > uint64(len(oob)) {
			break
		}
		data := oob[unix.CmsgLen(0):h.Len]
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= 12:
			return netip.AddrFrom4([4]byte(data[8:12])) // ipi_addr
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 20:
			a := netip.AddrFrom16([16]byte(data[:16])).Unmap()
			if a.IsLinkLocalUnicast() && a.Is6() {
				a = a.WithZone(zone(binary.NativeEndian.Uint32(data[16:20])))
			}
			return a
		}
		next := unix.CmsgSpace(int(h.Len) - unix.CmsgLen(0))
		if next > len(oob) {
			break
		}
		oob = oob[next:]
	}
	return fallback
}

// index is the interface of a zone, by name or number; 0: none.
func index(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}

func zone(index uint32) string {
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return ""
}

// source writes the control message that makes a datagram leave from addr.
func source(buf []byte, addr netip.Addr, socket6 bool) []byte {
	if !addr.IsValid() || addr.IsUnspecified() {
		return nil
	}
	if !socket6 {
		b := buf[:unix.CmsgSpace(12)]
		clear(b)
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		h.SetLen(unix.CmsgLen(12))
		a := addr.Unmap().As4()
		copy(b[unix.CmsgLen(0)+4:], a[:]) // ipi_spec_dst
		return b
	}
	b := buf[:unix.CmsgSpace(20)]
	clear(b)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
	h.SetLen(unix.CmsgLen(20))
	a := addr.As16() // IPv4 in its mapped form on a dual-stack socket
	copy(b[unix.CmsgLen(0):], a[:])
	return b
}
