package ice

import (
	"net/netip"
	"sync"
	"time"

	pion "github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

	"tincan/phone/media"
)

// Times of the checks. Consent is asked for every keepalive (RFC 7675 5.1), in
// doubt after disconnected, and gone after failed besides; both together are also
// how long a way is looked for. checks bounds the requests to an address that never answers: five
// seconds of them, so that a party may be that late to begin.
const (
	checkEvery   = 200 * time.Millisecond
	checks       = 25
	keepalive    = 2 * time.Second
	disconnected = 5 * time.Second
	failed       = 25 * time.Second
	turnTimeout  = 2 * time.Second // for a relay's answer; a call waits for it
	turnPause    = 30 * time.Second
	ownTime      = 50 * time.Millisecond // for candidates that nobody else is asked for
)

// How long a better way is waited for before one of a kind is nominated.
const (
	waitReflexive = 100 * time.Millisecond
	waitRelay     = 500 * time.Millisecond
)

// agent is pion's agent for one component of a session.
type agent struct {
	socket  *Socket
	control bool
	pion    *pion.Agent
	port    *port
	leash   *leash
	ready   chan struct{} // closed when all candidates of ours are known
	// reflected is closed when the STUN server has told its, or will not.
	reflected chan struct{}

	mu         sync.Mutex
	candidates []media.Candidate
	relayed    bool // a TURN server gave an address
	heard      netip.AddrPort
	conn       *pion.Conn // from start on
}

func newAgent(s *Socket, control bool, ufrag, pwd string) (*agent, error) {
	number := s.ports.Port()
	if control {
		number++
	}
	local := netip.AddrPortFrom(s.options.Bind, number)
	a := &agent{socket: s, control: control, leash: newLeash(), ready: make(chan struct{}), reflected: make(chan struct{})}
	a.port = newPort(local, func(b []byte, to netip.AddrPort) error { return s.write(control, b, to) })
	p, err := pion.NewAgentWithOptions(a.settings(ufrag, pwd)...)
	if err != nil {
		return nil, err
	}
	a.pion = p
	a.candidates = a.own(local)
	// These only keep the function.
	_ = p.OnCandidate(a.gathered)
	_ = p.OnSelectedCandidatePairChange(a.chosen)
	_ = p.OnConnectionStateChange(a.changed)
	if err := p.GatherCandidates(); err != nil {
		a.close()
		return nil, err
	}
	if s.host.asks() {
		s.host.closing.Go(a.reflect)
	} else {
		close(a.reflected)
	}
	return a, nil
}

func (a *agent) settings(ufrag, pwd string) []pion.AgentOption {
	h := a.socket.host
	networks := []pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeUDP6}
	options := []pion.AgentOption{
		pion.WithLocalCredentials(ufrag, pwd),
		pion.WithNet(localNet{shared: h.net, addr: a.socket.options.Bind, leash: a.leash}),
		pion.WithLoggerFactory(silent{}),
		pion.WithMulticastDNSMode(pion.MulticastDNSModeDisabled),
		pion.WithIncludeLoopback(), pion.WithDisableActiveTCP(),
		pion.WithCheckInterval(checkEvery), pion.WithMaxBindingRequests(checks),
		pion.WithKeepaliveInterval(keepalive),
		pion.WithDisconnectedTimeout(disconnected), pion.WithFailedTimeout(failed),
		pion.WithSrflxAcceptanceMinWait(waitReflexive), pion.WithPrflxAcceptanceMinWait(waitReflexive),
		pion.WithRelayAcceptanceMinWait(waitRelay), pion.WithSTUNGatherTimeout(turnTimeout),
		pion.WithBindingRequestHandler(a.checked),
	}
	options = append(options, pion.WithUDPMux(h.ports(a.port, a.control, pwd)))
	if h.tcp != nil && !a.control {
		networks = append(networks, pion.NetworkTypeTCP4, pion.NetworkTypeTCP6)
		options = append(options, pion.WithTCPMux(h.tcp))
	}
	if h.relays() {
		options = append(options, pion.WithUrls(h.turn),
			pion.WithTURNTransportProtocols([]pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeTCP4}),
			pion.WithCandidateTypes([]pion.CandidateType{pion.CandidateTypeHost, pion.CandidateTypeRelay}))
	} else {
		options = append(options, pion.WithCandidateTypes([]pion.CandidateType{pion.CandidateTypeHost}))
	}
	return append(options, pion.WithNetworkTypes(networks), pion.WithICELite(h.config.Lite))
}

// component is the number in candidates.
func (a *agent) component() uint16 {
	if a.control {
		return media.ComponentRTCP
	}
	return media.ComponentRTP
}

// own are the candidates of the flow's port: where it is, and where it is from
// outside.
func (a *agent) own(local netip.AddrPort) []media.Candidate {
	c := media.Candidate{
		Foundation: "1", Component: a.component(), Transport: "udp",
		Priority: priority(preferHost, a.component()), Host: local.Addr().String(), Port: local.Port(), Type: "host",
	}
	public := a.socket.options.Public
	if !public.IsValid() || public == local.Addr() {
		return []media.Candidate{c}
	}
	o := c
	o.Foundation, o.Type, o.Host, o.Related = "2", "srflx", public.String(), local
	o.Priority = priority(preferReflexive, a.component())
	return []media.Candidate{c, o}
}

// Preferences of RFC 8445 5.1.2.2.
const (
	preferHost      = 126
	preferReflexive = 100
)

func priority(preference uint32, component uint16) uint32 {
	return preference<<24 | 0xffff<<8 | uint32(256-component)
}

// gathered is told of pion's candidates, at last of nil.
func (a *agent) gathered(c pion.Candidate) {
	if c == nil {
		close(a.ready)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.Type() == pion.CandidateTypeRelay {
		a.relayed = true
		a.socket.host.gone.Store(0)
	}
	if c.Type() == pion.CandidateTypeHost && c.NetworkType().IsUDP() && c.Port() == a.port.local.Port {
		return // the flow's own
	}
	a.candidates = append(a.candidates, a.fromPion(c))
}

func (a *agent) fromPion(c pion.Candidate) media.Candidate {
	m := media.Candidate{
		Foundation: c.Foundation(), Component: a.component(), Transport: c.NetworkType().NetworkShort(),
		Priority: c.Priority() - uint32(a.component()-1), Host: c.Address(), Port: uint16(c.Port()),
		Type: c.Type().String(), TCPType: c.TCPType().String(),
	}
	if r := c.RelatedAddress(); r != nil {
		if at, err := netip.ParseAddr(r.Address); err == nil {
			m.Related = netip.AddrPortFrom(at, uint16(r.Port))
		}
	}
	return m
}

// known gives the candidates of ours so far.
func (a *agent) known() []media.Candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]media.Candidate(nil), a.candidates...)
}

// start begins the checks.
func (a *agent) start(remote *media.ICE, controlling bool) error {
	if err := a.pion.SetRemoteICELite(remote.Lite); err != nil {
		return err
	}
	begin := a.pion.StartAccept
	if controlling {
		begin = a.pion.StartDial
	}
	conn, err := begin(remote.Ufrag, remote.Pwd)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.conn = conn
	a.mu.Unlock()
	a.add(remote.Candidates)
	if a.socket.host.beside() {
		a.socket.host.closing.Go(func() { a.receive(conn) })
	}
	return nil
}

// add tries candidates of the party; again does nothing. Names are left out: the
// party's own checks show what they are.
func (a *agent) add(candidates []media.Candidate) {
	for i := range candidates {
		c := &candidates[i]
		at, ok := c.Addr()
		if !ok || c.Component != a.component() || c.Port == 0 || at.Addr().IsUnspecified() || at.Addr().IsMulticast() {
			continue
		}
		if p := toPion(c, at); p != nil {
			_ = a.pion.AddRemoteCandidate(p) // it errs for names only
		}
	}
}

// toPion gives nil for what pion does not know, and for TCP: parties connect to
// us.
func toPion(c *media.Candidate, at netip.AddrPort) pion.Candidate {
	if c.Transport != "udp" {
		return nil
	}
	host, port := at.Addr().WithZone("").String(), int(c.Port)
	var p pion.Candidate
	var err error
	switch c.Type {
	case "host":
		p, err = pion.NewCandidateHost(&pion.CandidateHostConfig{
			Network: "udp", Address: host, Port: port, Component: pion.ComponentRTP, Priority: c.Priority, Foundation: c.Foundation,
		})
	case "srflx", "prflx":
		p, err = pion.NewCandidateServerReflexive(&pion.CandidateServerReflexiveConfig{
			Network: "udp", Address: host, Port: port, Component: pion.ComponentRTP, Priority: c.Priority, Foundation: c.Foundation,
		})
	case "relay":
		p, err = pion.NewCandidateRelay(&pion.CandidateRelayConfig{
			Network: "udp", Address: host, Port: port, Component: pion.ComponentRTP, Priority: c.Priority, Foundation: c.Foundation,
		})
	}
	if err != nil {
		return nil
	}
	return p
}

// checked is told of each request that had the right password.
func (a *agent) checked(_ *stun.Message, local, remote pion.Candidate, _ *pion.CandidatePair) bool {
	at := addrOf(remote)
	a.mu.Lock()
	a.heard = at
	a.mu.Unlock()
	if a.way(local) == byPort {
		a.socket.heard(a, at)
	}
	return false
}

// Ways that media takes, as Options.Found tells them.
const (
	byPort   = "udp"        // the flow's own port
	byShared = "udp-shared" // the one port of all
	byTCP    = "tcp"
	byRelay  = "relay"
)

// way tells which a candidate of ours is.
func (a *agent) way(local pion.Candidate) string {
	switch {
	case local.Type() == pion.CandidateTypeRelay:
		return byRelay
	case local.NetworkType().IsTCP():
		return byTCP
	case local.Port() != a.port.local.Port:
		return byShared
	}
	return byPort
}

func addrOf(c pion.Candidate) netip.AddrPort {
	addr, _ := netip.ParseAddr(c.Address())
	return netip.AddrPortFrom(addr.Unmap(), uint16(c.Port()))
}

// chosen is told of the pair that media takes from now on.
func (a *agent) chosen(local, remote pion.Candidate) {
	a.socket.chosen(a, addrOf(remote), addrOf(local), a.way(local))
}

func (a *agent) changed(s pion.ConnectionState) {
	switch s {
	case pion.ConnectionStateDisconnected:
		a.socket.doubt(a, true)
	case pion.ConnectionStateConnected:
		a.socket.doubt(a, false)
	case pion.ConnectionStateFailed:
		a.socket.failed(a)
	}
}

// send sends by whatever pair was chosen, and may wait.
func (a *agent) send(b []byte) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn != nil {
		_, _ = conn.Write(b) // lost as on the way
	}
}

// receive takes what comes by other ways than the flow's ports.
func (a *agent) receive(conn *pion.Conn) {
	buf := make([]byte, maxPacket)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if from, ok := a.socket.from(a); ok {
			a.socket.flow.Arrive(a.control, buf[:n], from)
		}
	}
}

// maxPacket is the longest datagram that comes by way of pion.
const maxPacket = 8192

// close ends the agent and waits for its goroutines.
func (a *agent) close() {
	select {
	case <-a.ready:
	default: // a relay has not answered yet, and need not any more
		a.leash.cut()
	}
	_ = a.port.Close()
	_ = a.pion.GracefulClose() // it never errs
	a.leash.cancel()
}

// wait returns when all candidates of ours are known, or the relays have had
// their time, or the agent was closed.
func (a *agent) wait() {
	h := a.socket.host
	timer := time.NewTimer(h.patience())
	defer timer.Stop()
	for _, known := range []<-chan struct{}{a.ready, a.reflected} {
		select {
		case <-known:
		case <-timer.C:
			h.missed(time.Now())
			return
		case <-a.port.done:
			return
		}
	}
}
