package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// udpSocket is one UDP socket, on one address or on all of them.
type udpSocket struct {
	conn  PacketConn
	local netip.AddrPort
	wild  bool // bound to the wildcard: answers state their source
}

// ListenUDP opens a socket and reads from it.
func (t *Transport) ListenUDP(addr string) (netip.AddrPort, error) {
	ap, err := resolveListen(addr)
	if err != nil {
		return ap, err
	}
	conn, err := t.cfg.Network.ListenPacket(ap)
	if err != nil {
		return ap, fmt.Errorf("listen on udp %s: %w", addr, err)
	}
	s := &udpSocket{conn: conn, local: conn.Local(), wild: ap.Addr().IsUnspecified()}
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

func (s *udpSocket) id() uint64 { return 0 }

func (s *udpSocket) alive() bool { return true }

func (s *udpSocket) read(t *Transport) {
	buf := make([]byte, MaxMessage)
	for {
		n, from, to, err := s.conn.Recv(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier datagram
		}
		if t.cfg.Gate != nil && !t.cfg.Gate.Allow(from, UDP) {
			t.Counts.Refused.Add(1)
			continue
		}
		if t.answerSTUN(s, buf[:n], from, to) {
			continue
		}
		if !looksLikeSIP(buf[:n]) {
			t.Counts.Junk.Add(1) // keep-alives (CRLF, zeros) among them
			continue
		}
		local := s.local
		if s.wild && to.IsValid() {
			local = netip.AddrPortFrom(to, s.local.Port())
		}
		_ = t.receive(buf[:n], Path{Protocol: UDP, Local: local, Remote: from, via: s})
	}
}

// minMessage is shorter than any response with its five headers. MinRequest bytes
// have all requests that anybody sends, with all names in their short form; what is
// shorter draws no answer, so that no answer is many times what drew it: datagrams
// may come from forged addresses.
const (
	minMessage = 64
	MinRequest = 200
)

// What the first line of a message has; of another version than 2.0 it is refused
// by an answer (RFC 3261 21.5.6).
var (
	sipName    = []byte("SIP/")
	sipVersion = []byte("SIP/2.0")
)

// looksLikeSIP looks at the first line alone: cheap enough for a flood.
func looksLikeSIP(b []byte) bool {
	if len(b) < minMessage || len(b) < MinRequest && !bytes.HasPrefix(b, sipName) {
		return false
	}
	line, _, ok := bytes.Cut(b, []byte("\n"))
	return ok && bytes.Contains(line, sipName)
}

func (s *udpSocket) send(b []byte, p Path) error {
	if !s.wild {
		return s.conn.Send(b, netip.Addr{}, p.Remote)
	}
	return s.conn.Send(b, p.Local.Addr(), p.Remote)
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
			from = netip.AddrPortFrom(t.cfg.Network.Source(remote), best.local.Port())
		}
	}
	return Path{Protocol: UDP, Local: from, Remote: remote, via: best}, nil
}

// Source gives the address of ours that would speak to remote. Nothing is sent.
// The zero Addr means that there is no route.
func (t *Transport) Source(remote netip.AddrPort) netip.Addr { return t.cfg.Network.Source(remote) }
