package main

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"tincan/config"
	"tincan/phone/media/ice"
	"tincan/phone/media/ice/split"
)

// openICE makes what finds ways through NATs; nil if that is off.
func (s *server) openICE(cfg *config.Config) (*ice.Host, error) {
	c := cfg.ICE
	if c.Mode == "off" {
		return nil, nil //nolint:nilnil // off is no mistake
	}
	host := ice.Config{Lite: c.Mode == "lite", Stun: c.Stun, Turn: c.Turn, User: c.User, Password: c.Password}
	if c.UDP != "" {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(c.UDP)))
		if err != nil {
			return nil, explainListen(err, "[ice] udp", "udp", c.UDP)
		}
		host.UDP = conn
		s.sockets = append(s.sockets, listening{"ice-udp", conn.LocalAddr().(*net.UDPAddr).AddrPort()})
	}
	if c.TCP != "" {
		l, err := listenTCP(c.TCP)
		if err != nil {
			return nil, errors.Join(explainListen(err, "[ice] tcp", "tcp", c.TCP), closeUDP(host.UDP))
		}
		host.TCP = l
		if sharesTLS(cfg) {
			host.TCP, s.besideICE = split.Listen(l)
			s.onClose(s.besideICE.Close)
		}
		s.sockets = append(s.sockets, listening{"ice-tcp", l.Addr().(*net.TCPAddr).AddrPort()})
	}
	h, err := ice.NewHost(host)
	if err != nil {
		return nil, err
	}
	s.onClose(h.Close)
	return h, nil
}

// sharesTLS reports whether ICE is to have the port of browsers' too.
func sharesTLS(cfg *config.Config) bool { return slices.Contains(cfg.HTTP.TLS, cfg.ICE.TCP) }

// listenTLS opens a port for browsers, or what ICE leaves of it.
func (s *server) listenTLS(cfg *config.Config, addr string) (net.Listener, error) {
	if s.besideICE != nil && addr == cfg.ICE.TCP {
		return s.besideICE, nil
	}
	return listenTCP(addr)
}

func closeUDP(c *net.UDPConn) error {
	if c == nil {
		return nil
	}
	return c.Close()
}

func sameICE(a, b config.ICE) bool {
	return a.Mode == b.Mode && a.UDP == b.UDP && a.TCP == b.TCP && a.Stun == b.Stun && slices.Equal(a.Turn, b.Turn) &&
		a.User == b.User && a.Password == b.Password
}
