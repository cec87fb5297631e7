package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpSocket is one UDP socket, on one address or on all of them.
type udpSocket struct {
	conn  *net.UDPConn
	local netip.AddrPort
	wild  bool // bound to the wildcard: answers state their source (PKTINFO)
}

// socketBuffer holds a burst of registrations after a power cut.
const socketBuffer = 1 << 20

// ListenUDP opens a socket and reads from it.
func (t *Transport) ListenUDP(addr string) (netip.AddrPort, error) {
	ap, err := resolveListen(addr)
	if err != nil {
		return ap, err
	}
	network := "udp4"
	if ap.Addr().Is6() {
		network = "udp" // [::] takes IPv4 too
		if !ap.Addr().IsUnspecified() {
			network = "udp6"
		}
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(ap))
	if err != nil {
		return ap, fmt.Errorf("listen on udp %s: %w", addr, err)
	}
	_ = conn.SetReadBuffer(socketBuffer)
	s := &udpSocket{conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), wild: ap.Addr().IsUnspecified()}
	if s.wild {
		if err := s.wantPktinfo(); err != nil {
			_ = conn.Close()
			return ap, fmt.Errorf("udp %s: ask for destination addresses: %w", addr, err)
		}
	}
	t.mu.Lock()
	t.udp = append(t.udp, s)
	t.closers = append(t.closers, conn.Close)
	t.mu.Unlock()
	t.goRun(func() { s.read(t) })
	return s.local, nil
}

func resolveListen(addr string) (netip.AddrPort, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen address %q: %w", addr, err)
	}
	ap := a.AddrPort()
	if !ap.Addr().IsValid() {
		ap = netip.AddrPortFrom(netip.IPv6Unspecified(), ap.Port())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

func (s *udpSocket) wantPktinfo() error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		if s.local.Addr().Is4() {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	return errors.Join(err, opt)
}

func (s *udpSocket) id() uint64 { return 0 }

func (s *udpSocket) alive() bool { return true }

func (s *udpSocket) read(t *Transport) {
	buf, oob := make([]byte, MaxMessage), make([]byte, 128)
	for {
		n, on, _, from, err := s.conn.ReadMsgUDPAddrPort(buf, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier datagram
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if t.cfg.Gate != nil && !t.cfg.Gate.Allow(from, UDP) {
			t.Counts.Refused.Add(1)
			continue
		}
		if !looksLikeSIP(buf[:n]) {
			t.Counts.Junk.Add(1) // keep-alives (CRLF, zeros) among them
			continue
		}
		local := s.local
		if s.wild {
			local = netip.AddrPortFrom(destination(oob[:on], s.local.Addr()), s.local.Port())
		}
		_ = t.receive(buf[:n], Path{Protocol: UDP, Local: local, Remote: from, via: s})
	}
}

// minMessage is shorter than any request or response with its five headers.
const minMessage = 64

var sipVersion = []byte("SIP/2.0")

// looksLikeSIP looks at the first line alone: cheap enough for a flood.
func looksLikeSIP(b []byte) bool {
	if len(b) < minMessage {
		return false
	}
	if bytes.HasPrefix(b, sipVersion) {
		return true
	}
	line, _, ok := bytes.Cut(b, []byte("\n"))
	return ok && bytes.Contains(line, sipVersion)
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

func (s *udpSocket) send(b []byte, p Path) error {
	var space [64]byte
	var oob []byte
	if s.wild {
		oob = source(space[:], p.Local.Addr(), s.local.Addr().Is6())
	}
	to := p.Remote
	if s.local.Addr().Is6() && to.Addr().Is4() {
		to = netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
	}
	_, _, err := s.conn.WriteMsgUDPAddrPort(b, oob, to)
	if err != nil && oob != nil { // perhaps the address that the peer once spoke to is ours no longer
		_, _, err = s.conn.WriteMsgUDPAddrPort(b, nil, to)
	}
	return err
}

// UDPPath gives a way to a peer never heard, from a socket that can reach it:
// the one bound to local if there is one, else the first of the family. The
// source address is the one that the kernel's routes choose.
func (t *Transport) UDPPath(remote netip.AddrPort, local netip.AddrPort) (Path, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var best *udpSocket
	for _, s := range t.udp {
		a := s.local.Addr()
		if !s.wild && a == local.Addr() && s.local.Port() == local.Port() {
			best = s
			break
		}
		reach := a.Is4() == remote.Addr().Is4() || s.wild && a.Is6()
		better := best == nil || s.wild && local.Port() == s.local.Port()
		if reach && better && (s.wild || !a.IsLoopback() || remote.Addr().IsLoopback()) {
			best = s
		}
	}
	if best == nil {
		return Path{}, fmt.Errorf("%w: udp to %s", ErrNoSocket, remote)
	}
	from := best.local
	if best.wild {
		from = netip.AddrPortFrom(local.Addr(), best.local.Port())
		if !from.Addr().IsValid() || from.Addr().IsUnspecified() {
			from = netip.AddrPortFrom(SourceFor(remote), best.local.Port())
		}
	}
	return Path{Protocol: UDP, Local: from, Remote: remote, via: best}, nil
}

// SourceFor asks the kernel which address of ours would speak to remote.
// Nothing is sent. The zero Addr means that there is no route.
func SourceFor(remote netip.AddrPort) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}
