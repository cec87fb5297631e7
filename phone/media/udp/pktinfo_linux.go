package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ControlRoom holds any control message of this file.
const ControlRoom = 64

// WantDestination asks a socket to say to which address each datagram was sent.
func WantDestination(fd int, six bool) error {
	if six {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// Destination reads the address that a datagram was sent to out of its
// control message.
func Destination(oob []byte, fallback netip.Addr) netip.Addr {
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
				a = a.WithZone(Zone(binary.NativeEndian.Uint32(data[16:20])))
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

// ZoneIndex is the interface of a zone, by name or number; 0: none.
func ZoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}

// Zone names an interface; "": there is none.
func Zone(index uint32) string {
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return ""
}

// Source writes into buf, of at least ControlRoom bytes, the control message that makes
// a datagram leave from addr; nothing where the kernel is to choose. six: the socket is
// of IPv6.
func Source(buf []byte, addr netip.Addr, socket6 bool) []byte {
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
