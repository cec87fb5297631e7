package ice

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
	"golang.org/x/net/netutil"
)

// Config is what a Host needs.
type Config struct {
	// Lite answers checks and makes none: for a server that all parties reach
	// at its own address (RFC 8445 2.5).
	Lite bool
	// UDP is one port for the media of all flows beside their own; nil: none.
	// The host closes it.
	UDP *net.UDPConn
	// TCP takes ICE-TCP (RFC 6544), one port for all; nil: none. The host closes
	// it.
	TCP net.Listener
	// Stun is host:port of a server that tells a flow its address from outside; "":
	// what the flow's Options say must do.
	Stun string
	// Turn are the relays to ask for an address, such as
	// turns:relay.example.org:443?transport=tcp, with User and Password.
	Turn           []string
	User, Password string
}

// maxTCP bounds the connections of ICE-TCP: a party has one, or a few while it
// looks for a way. firstCheck is how long one may be without saying whom it is
// for, and unclaimed how long it waits for them.
const (
	maxTCP     = 1000
	firstCheck = 5 * time.Second
	unclaimed  = 10 * time.Second
	tcpBuffer  = 64 << 10 // bytes of media that wait for a slow connection
	tcpQueue   = 32       // packets that wait for the agent
)

// Host is what the sockets of all flows share. Its methods may be called by any
// goroutine.
type Host struct {
	config Config
	net    transport.Net
	turn   []*stun.URI
	udp    *pion.UDPMuxDefault // nil: none
	tcp    *pion.TCPMuxDefault // likewise

	closing sync.WaitGroup // agents on their way out
	gone    atomic.Int64   // when relays, or the STUN server, were last waited for in vain, Unix ns; 0: they answer
}

// NewHost errs when an address of a relay is none.
func NewHost(c Config) (*Host, error) {
	h := &Host{config: c}
	network, err := stdnet.NewNet()
	if err != nil {
		return nil, fmt.Errorf("ice: %w", err)
	}
	h.net = network
	for _, text := range c.Turn {
		u, err := relay(text, c.User, c.Password)
		if err != nil {
			return nil, err
		}
		h.turn = append(h.turn, u)
	}
	if c.UDP != nil {
		h.udp = pion.NewUDPMuxDefault(pion.UDPMuxParams{Logger: silent{}, UDPConn: c.UDP, Net: network})
	}
	if c.TCP != nil {
		h.tcp = pion.NewTCPMuxDefault(pion.TCPMuxParams{
			Listener: netutil.LimitListener(c.TCP, maxTCP), Logger: silent{},
			ReadBufferSize: tcpQueue, WriteBufferSize: tcpBuffer,
			FirstStunBindTimeout: firstCheck, AliveDurationForConnFromStun: unclaimed,
		})
	}
	return h, nil
}

func relay(text, user, password string) (*stun.URI, error) {
	u, err := stun.ParseURI(text)
	if err != nil || u.Scheme != stun.SchemeTypeTURN && u.Scheme != stun.SchemeTypeTURNS {
		return nil, fmt.Errorf("ice: %q is no TURN server: write turn:host:3478 or turns:host:443?transport=tcp", text)
	}
	if user == "" || password == "" {
		return nil, fmt.Errorf("ice: the TURN server %s wants a user and a password", text)
	}
	u.Username, u.Password = user, password
	return u, nil
}

// Close waits for the agents of flows that were closed, and ends what all
// share.
func (h *Host) Close() error {
	h.closing.Wait()
	var errs []error
	if h.udp != nil {
		errs = append(errs, h.udp.Close(), ignoreClosed(h.config.UDP.Close()))
	}
	if h.tcp != nil {
		errs = append(errs, ignoreClosed(h.tcp.Close()))
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// patience is how long candidates are waited for: not long while relays are gone,
// so that only one call in turnPause suffers.
func (h *Host) patience() time.Duration {
	if last := h.gone.Load(); last != 0 && time.Since(time.Unix(0, last)) < turnPause {
		return ownTime
	}
	return turnTimeout
}

// missed is told that some were waited for in vain.
func (h *Host) missed(now time.Time) {
	if h.patience() == turnTimeout {
		h.gone.Store(now.UnixNano())
	}
}

// Waits reports whether candidates take time to gather.
func (h *Host) Waits() bool { return h.beside() || h.asks() }

// asks reports whether a STUN server is asked.
func (h *Host) asks() bool { return h.config.Stun != "" && !h.config.Lite }

// beside reports whether there are ways beside the ports of a flow.
func (h *Host) beside() bool { return h.udp != nil || h.tcp != nil || h.relays() }

func (h *Host) relays() bool { return len(h.turn) > 0 && !h.config.Lite }

// ports are a flow's own and the one of all as pion's agent sees them (UDPMux).
type ports struct {
	own    *port
	shared pion.UDPMux // nil: none
	at     *net.UDPAddr
	pwd    string // of a lite agent
}

// ports are those of an agent with a password.
func (h *Host) ports(own *port, control bool, pwd string) *ports {
	p := &ports{own: own}
	if h.config.Lite {
		p.pwd = pwd
	}
	if h.udp != nil && !control { // what all share is told apart by the user name alone, which both components have
		local := h.config.UDP.LocalAddr().(*net.UDPAddr)
		p.shared, p.at = h.udp, &net.UDPAddr{IP: own.local.IP, Port: local.Port}
	}
	return p
}

// GetListenAddresses is pion's.
func (p *ports) GetListenAddresses() []net.Addr {
	all := []net.Addr{p.own.local}
	if p.shared != nil {
		all = append(all, p.at)
	}
	return all
}

// GetConn is pion's.
func (p *ports) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	var conn net.PacketConn = p.own
	if p.shared != nil && addr.String() == p.at.String() {
		c, err := p.shared.GetConn(ufrag, addr)
		if err != nil {
			return nil, err
		}
		conn = c
	}
	if p.pwd != "" {
		return firm{conn, p.pwd}, nil
	}
	return conn, nil
}

// RemoveConnByUfrag is pion's; the flow's own port is closed with its candidate.
func (p *ports) RemoveConnByUfrag(ufrag string) {
	if p.shared != nil {
		p.shared.RemoveConnByUfrag(ufrag)
	}
}

// Close is pion's.
func (p *ports) Close() error { return nil }
