package iax2

import (
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tincan/bus"
	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
	"tincan/phone/media"
	"tincan/phone/media/udp"
	"tincan/secret"
)

// Config is what a Server depends on. Network, Gate, Public and Bus may be nil.
type Config struct {
	Directory *directory.Directory
	Bindings  *directory.Bindings
	Media     *media.Engine
	Bus       *bus.Bus
	Box       *secret.Box
	Logger    *slog.Logger
	Network   Network
	Gate      Gate
	// Public tells whether strangers may call a number.
	Public func(number string) bool
	// Resolve finds the addresses of a host; nil: as the machine does.
	Resolve func(host string) ([]netip.Addr, error)
	// Timeout is how long who should be sending may be silent; 0: for ever.
	Timeout time.Duration
	// Key gives our RSA key, which is made at its first use; nil: we have none.
	Key func() (*rsa.PrivateKey, error)
}

// Gate holds strangers back. It must not block.
type Gate interface {
	// Allow is asked before a datagram that belongs to nothing is parsed.
	Allow(netip.AddrPort) bool
	// Proved and Wrong tell of who has shown who it is, and who could not.
	Proved(netip.AddrPort)
	Wrong(netip.AddrPort)
}

// Settings may change while the server runs.
type Settings struct {
	// Optional networks may call and register without a call token: old devices know
	// none.
	Optional []netip.Prefix
	// Encryption is for whom the directory does not say.
	Encryption string
	// Guests is how many strangers may call at once.
	Guests int
}

// Counts are datagrams that came to nothing, since the start.
type Counts struct {
	Held      atomic.Uint64 // by the gate
	Malformed atomic.Uint64
	Strangers atomic.Uint64 // frames that belong to no session of theirs
	Forged    atomic.Uint64 // not encrypted as was agreed
	Tokenless atomic.Uint64 // refused for want of a call token
}

// Server speaks IAX2. Safe for any goroutine.
type Server struct {
	counts   Counts
	cfg      Config
	log      *slog.Logger
	settings atomic.Pointer[Settings]
	calls    atomic.Pointer[call.Exchange]
	watched  atomic.Bool
	sessions table
	bundles  bundles
	tokens   *proof.Tokens
	links    links
	texts    Texts
	guests   atomic.Int32

	stop  chan struct{}
	tasks sync.WaitGroup

	mu       sync.Mutex // guards what follows
	ports    []*port
	refusals map[netip.Addr]time.Time // who was told of in the log for want of a token
	closed   bool
}

// New makes a server without sockets.
func New(c Config, set Settings) *Server {
	if c.Network == nil {
		c.Network = machine{}
	}
	if c.Resolve == nil {
		c.Resolve = func(host string) ([]netip.Addr, error) {
			ctx, cancel := timeout(lookupTime)
			defer cancel()
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	s := &Server{cfg: c, log: c.Logger, stop: make(chan struct{}), tokens: proof.NewTokens(), refusals: map[netip.Addr]time.Time{}}
	s.sessions.theirs, s.sessions.at = map[remote]*session{}, map[netip.Addr]int{}
	s.bundles.of = map[path]*bundle{}
	s.links.s, s.links.of = s, map[string]*link{}
	s.settings.Store(&set)
	return s
}

// SetCalls says who takes calls. It comes before Listen.
func (s *Server) SetCalls(x *call.Exchange) { s.calls.Store(x) }

// Reconfigure changes the settings.
func (s *Server) Reconfigure(set Settings) { s.settings.Store(&set) }

// DefaultPort is IAX2's (RFC 5456 8.1).
const DefaultPort = 4569

// Listen opens a socket and reads from it.
func (s *Server) Listen(addr string) (netip.AddrPort, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen address %q: %w", addr, err)
	}
	at := a.AddrPort()
	if !at.Addr().IsValid() {
		at = netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port())
	}
	conn, err := s.cfg.Network.Listen(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	if err != nil {
		return netip.AddrPort{}, err
	}
	p := newPort(conn)
	s.mu.Lock()
	s.ports = append(s.ports, p)
	s.mu.Unlock()
	s.tasks.Go(func() { p.run(func(d *udp.Datagram) { s.receive(p, d) }) })
	return p.local, nil
}

// Counts are what came to nothing.
func (s *Server) Counts() *Counts { return &s.counts }

// Sessions is the number of calls, registrations and probes alive.
func (s *Server) Sessions() int { return s.sessions.count() }

// Sent counts the datagrams sent since the start, and the system calls for them.
func (s *Server) Sent() (datagrams, batches uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.ports {
		datagrams += p.sent.Load()
		batches += p.batch.Load()
	}
	return datagrams, batches
}

// Start begins what goes on by itself: registrations, probes.
func (s *Server) Start() {
	s.Reload()
	s.tasks.Go(s.keepTime)
}

// Close ends all; sessions are forgotten.
func (s *Server) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	ports := s.ports
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	for _, x := range s.sessions.all() {
		x.mu.Lock()
		x.end()
		x.unlock()
	}
	var first error
	for _, p := range ports {
		if err := p.conn.Close(); err != nil && first == nil {
			first = err
		}
	}
	s.tasks.Wait()
	return first
}

// keepTime is called once a second for what is due.
func (s *Server) keepTime() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			for _, x := range s.sessions.all() {
				x.tick(now)
			}
			s.links.tick(now)
			s.probeDevices(now)
		}
	}
}

// ticker is a party that has something to do each second. It is called with the
// session's lock held.
type ticker interface{ tick(now time.Time) }

func (x *session) tick(now time.Time) {
	x.mu.Lock()
	defer x.unlock()
	if t, ok := x.party.(ticker); ok && !x.over {
		t.tick(now)
	}
}

// receive takes a datagram.
func (s *Server) receive(p *port, d *udp.Datagram) {
	if d.Cut {
		s.counts.Malformed.Add(1)
		return
	}
	from := path{p, d.Peer, d.Local}
	switch frame.KindOf(d.Data) {
	case frame.KindFull:
		s.full(d.Data, from)
	case frame.KindMini:
		s.mini(d.Data, from)
	case frame.KindTrunk:
		s.trunk(d.Data, from)
	case frame.KindMiniVideo:
		s.picture(d.Data, from)
	default:
		s.counts.Malformed.Add(1)
	}
}

// full gives a full frame to its session, or to who deals with strangers.
func (s *Server) full(b []byte, from path) {
	source, dest := frame.Numbers(b)
	x := s.find(from, source, dest)
	if x == nil || dest == 0 && x.others(b) {
		s.stranger(b, from)
		return
	}
	if x2 := s.calls.Load(); x2 != nil {
		x2.Enter()
		defer x2.Leave()
	}
	if v, ok := x.arrive(b, from); ok {
		x.hand(v)
	}
}

// hand gives a full frame of media to its flow.
func (x *session) hand(v sound) {
	if p := x.pictures.Load(); v.picture {
		if p != nil {
			p.take(v.time, v.mark, v.payload)
		}
		return
	}
	if f := x.flow.Load(); f != nil {
		f.full(v)
	}
}

// others tells whether a frame begins another session with the number of this one.
func (x *session) others(b []byte) bool {
	f, err := frame.ParseFull(b)
	if err != nil || !f.Is(frame.New) && !f.Is(frame.RegReq) && !f.Is(frame.RegRel) {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.first != (fingerprint{}) && x.first != printOf(&f)
}

// find gives the session of a full frame. A frame that names ours must come from its
// peer, or, in an encrypted call, prove itself.
func (s *Server) find(from path, source, dest uint16) *session {
	if dest == 0 {
		return s.sessions.of(from.peer, source)
	}
	x := s.sessions.by(dest)
	if x == nil || !x.from(from, source) {
		return nil
	}
	return x
}

// from tells whether a full frame with the peer's number may be of the session.
func (x *session) from(p path, source uint16) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p.peer == x.aside {
		return true
	}
	return (x.number == 0 || x.number == source) && (x.path.peer == p.peer || x.keys != nil)
}

func (s *Server) mini(b []byte, from path) {
	m, err := frame.ParseMini(b)
	if err != nil {
		s.counts.Malformed.Add(1)
		return
	}
	if f := s.flowOf(from, m.Source); f != nil {
		f.mini(m.Time, b[sealedAt:], m.Payload)
	}
}

// picture gives a mini video frame to its call.
func (s *Server) picture(b []byte, from path) {
	m, err := frame.ParseMiniVideo(b)
	if err != nil {
		s.counts.Malformed.Add(1)
		return
	}
	if x := s.sessions.of(from.peer, m.Source); x != nil {
		if p := x.pictures.Load(); p != nil {
			p.mini(m)
			return
		}
	}
	s.counts.Strangers.Add(1)
}

func (s *Server) flowOf(from path, number uint16) *flow {
	if x := s.sessions.of(from.peer, number); x != nil {
		if f := x.flow.Load(); f != nil {
			return f
		}
	}
	s.counts.Strangers.Add(1)
	return nil
}

// trunk gives the sounds of many calls to their flows.
func (s *Server) trunk(b []byte, from path) {
	t, err := frame.ParseTrunk(b)
	if err != nil {
		s.counts.Malformed.Add(1)
		return
	}
	for {
		e, more, err := t.Next()
		if err != nil {
			s.counts.Malformed.Add(1)
			return
		}
		if !more {
			return
		}
		f := s.flowOf(from, e.Source)
		switch {
		case f == nil:
		case t.Timed:
			f.mini(e.Time, nil, e.Payload)
		default:
			f.untimed(e.Payload)
		}
	}
}
