package ice

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"tincan/phone/media"
)

// Options are of one flow.
type Options struct {
	// Bind is the address that the flow's ports are on, Public what parties
	// outside know it by; the zero Addr: as Bind.
	Bind, Public netip.Addr
	// Ufrag and Pwd are those that an earlier process had; "": new ones.
	Ufrag, Pwd string
	// Failed is told, once, in words for people, that no way was found (never),
	// or that the one there was is gone. It is called with no lock held and must
	// not block. It may be nil.
	Failed func(verdict string, never bool)
	// Found is told of each way that is taken: where the party is, and by what:
	// udp, udp-shared (the one port of all), tcp, relay. As Failed.
	Found func(at netip.AddrPort, by string)
}

// Socket is the way to one party (media.Socket), put before the ports of a flow.
// Its methods may be called by any goroutine, but for Recv, which is the
// reader's.
type Socket struct {
	host    *Host
	flow    *media.RTP
	options Options
	ports   media.Socket // the flow's own

	mu      sync.Mutex // guards the rest, and ports; held with no other lock taken but an agent's
	closed  bool
	off     bool     // the party does not speak ICE
	lost    bool     // it does not answer: who goes on with its media is found as without ICE
	now     *session // carries media, or looks for its first way
	next    *session // of a party that began anew: takes over with its first pair
	parts   [2]part
	told    bool   // Failed
	strange uint64 // datagrams of nobody who has shown the password
	adopted bool   // from an earlier process
}

// session is ICE from its beginning to the next with another password.
type session struct {
	ufrag, pwd string
	agents     [2]*agent // by component; the second nil where RTCP shares RTP's port
	remote     *media.ICE
	again      bool // it is not the first
	ours       bool // then: we began it
}

// part is where media of a component goes.
type part struct {
	local netip.AddrPort // of the relay, if the pair is by one
	to    netip.AddrPort // the party's end of the pair; invalid: none yet
	by    *agent         // of the pair
	out   *outlet        // nil: the pair is on the flow's own ports
	valid []netip.AddrPort
}

// maxValid bounds the addresses that a party shows to be its own: more than a
// laptop has, and its NATs.
const maxValid = 16

// Lengths of what ICE keeps strangers out by (RFC 8445 5.3 wants 24 and 128
// bits; a character has 5).
const (
	ufragLength = 8
	pwdLength   = 26
)

// secret gives n letters that nobody guesses.
func secret(n int) string {
	text := rand.Text()
	for len(text) < n {
		text += rand.Text()
	}
	return text[:n]
}

// errGone says that the flow was closed.
var errGone = errors.New("ice: the flow is closed")

// Open puts a socket before the ports of a flow and begins to gather candidates.
// It closes with the flow.
func (h *Host) Open(flow *media.RTP, o Options) (*Socket, error) {
	s := &Socket{host: h, flow: flow, options: o}
	if !flow.Through(func(ports media.Socket) media.Socket { s.ports = ports; return s }) {
		return nil, errGone
	}
	ufrag, pwd := o.Ufrag, o.Pwd
	if ufrag == "" || pwd == "" {
		ufrag, pwd = secret(ufragLength), secret(pwdLength)
	}
	first, err := s.begin(ufrag, pwd)
	if err != nil {
		s.Off()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.drop(first)
		return nil, errGone
	}
	s.now = first
	return s, nil
}

func (s *Socket) begin(ufrag, pwd string) (*session, error) {
	n := &session{ufrag: ufrag, pwd: pwd}
	for i := range n.agents {
		a, err := newAgent(s, i == 1, ufrag, pwd)
		if err != nil {
			s.drop(n)
			return nil, fmt.Errorf("ice: begin on port %d: %w", s.ports.Port(), err)
		}
		n.agents[i] = a
	}
	return n, nil
}

// drop ends a session's agents, which may take a moment: not in a caller's time.
func (s *Socket) drop(n *session) {
	if n == nil {
		return
	}
	for _, a := range n.agents {
		if a != nil {
			s.host.closing.Go(a.close)
		}
	}
}

// newest is the session that descriptions speak of. Called with mu held.
func (s *Socket) newest() *session {
	if s.next != nil {
		return s.next
	}
	return s.now
}

// Heed makes sure that what we say next fits what the party said: if it begins
// anew, so do we (RFC 8839 4.4.1.1.1).
func (s *Socket) Heed(remote *media.ICE) error {
	s.mu.Lock()
	if n := s.next; n != nil && n.ours && n.remote == nil { // of an offer of ours that came to nothing
		s.drop(n)
		s.next = nil
	}
	newest := s.newest()
	anew := newest != nil && newest.remote != nil && !newest.remote.Same(remote)
	s.mu.Unlock()
	if !anew {
		return nil
	}
	return s.anew(false)
}

// Anew begins anew with our next offer: the party is elsewhere.
func (s *Socket) Anew() error {
	s.mu.Lock()
	newest := s.newest()
	begun := newest != nil && newest.remote != nil
	s.mu.Unlock()
	if !begun {
		return nil
	}
	return s.anew(true)
}

// anew begins a session beside the one that carries media. Who offers it nominates
// (RFC 8445 6.1.1).
func (s *Socket) anew(ours bool) error {
	n, err := s.begin(secret(ufragLength), secret(pwdLength))
	if err != nil {
		return err
	}
	n.again, n.ours = true, ours
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.off {
		s.drop(n)
		return errGone
	}
	s.drop(s.next)
	s.next = n
	if single := s.now != nil && s.now.agents[1] == nil; single {
		s.single(n)
	}
	return nil
}

// Gathered is closed when all candidates of ours are known, or a relay has not
// answered in time.
func (s *Socket) Gathered() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := make(chan struct{})
	n := s.newest()
	if n == nil || s.closed {
		close(done)
		return done
	}
	agents := n.agents
	s.host.closing.Go(func() {
		defer close(done)
		for _, a := range agents {
			if a != nil {
				a.wait()
			}
		}
	})
	return done
}

// Single is told that RTCP comes on RTP's port: one way is enough.
func (s *Socket) Single() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.newest(); n != nil {
		s.single(n)
	}
}

// Shares reports whether that was so.
func (s *Socket) Shares() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.newest()
	return n != nil && n.agents[1] == nil
}

// single is Single for a session. Called with mu held.
func (s *Socket) single(n *session) {
	if a := n.agents[1]; a != nil {
		s.host.closing.Go(a.close)
		n.agents[1] = nil
	}
}

// Local is what a description says of us; nil when the flow is closed.
func (s *Socket) Local() *media.ICE {
	s.mu.Lock()
	n := s.newest()
	if n == nil {
		s.mu.Unlock()
		return nil
	}
	agents := n.agents
	s.mu.Unlock()
	d := &media.ICE{Ufrag: n.ufrag, Pwd: n.pwd, Lite: s.host.config.Lite}
	for _, a := range agents {
		if a != nil {
			d.Candidates = append(d.Candidates, a.known()...)
		}
	}
	return d
}

// Default is where the party should send who heeds no candidates: the relay's
// addresses when media goes by one (RFC 8839 4.4.1.2.2); else none are valid.
func (s *Socket) Default() (media, control netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[0].local, s.parts[1].local
}

// Start looks for a way to the party, by what it said; mux: RTCP comes on RTP's
// port. Again it tries candidates that are new, or looks for another party that
// answers the same offer.
func (s *Socket) Start(remote *media.ICE, controlling, mux bool) error {
	if err := s.another(remote); err != nil {
		return err
	}
	s.mu.Lock()
	n := s.newest()
	if s.closed || s.off || n == nil {
		s.mu.Unlock()
		return nil
	}
	begun := n.remote != nil
	n.remote = remote
	if mux {
		s.single(n)
	}
	agents := n.agents
	if n.again {
		controlling = n.ours
	}
	s.mu.Unlock()
	return s.start(agents, remote, begun, controlling)
}

func (s *Socket) start(agents [2]*agent, remote *media.ICE, begun, controlling bool) error {
	lite := s.host.config.Lite
	var errs []error
	for _, a := range agents {
		switch {
		case a == nil:
		case begun:
			a.add(remote.Candidates)
		default:
			errs = append(errs, a.start(remote, !lite && (controlling || remote.Lite)))
		}
	}
	return errors.Join(errs...)
}

// another begins again with our password when an offer of ours is answered by
// another party than before, as behind a proxy that forks.
func (s *Socket) another(remote *media.ICE) error {
	s.mu.Lock()
	n := s.newest()
	if s.closed || s.off || n == nil || n.remote == nil || n.remote.Same(remote) {
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	again, err := s.begin(n.ufrag, n.pwd)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.newest() != n {
		s.drop(again)
		return nil
	}
	s.drop(n)
	if s.next == n {
		s.next = again
	} else {
		s.now = again
	}
	return nil
}

// Add tries more candidates of the party's (RFC 8838): of the session with its
// ufrag, or the newest if it names none.
func (s *Socket) Add(ufrag string, candidates []media.Candidate) {
	s.mu.Lock()
	n := s.newest()
	var agents [2]*agent
	if n != nil && n.remote != nil && (ufrag == "" || n.remote.Ufrag == ufrag) && !s.closed && !s.off {
		agents = n.agents
	}
	s.mu.Unlock()
	for _, a := range agents {
		if a != nil {
			a.add(candidates)
		}
	}
}

// Off gives the flow back its ports: the party does not speak ICE.
func (s *Socket) Off() {
	s.mu.Lock()
	if s.off || s.closed {
		s.mu.Unlock()
		return
	}
	s.off = true
	s.end()
	s.mu.Unlock()
	s.flow.Led(false)
}

// end drops all. Called with mu held.
func (s *Socket) end() {
	s.drop(s.now)
	s.drop(s.next)
	s.now, s.next = nil, nil
	for i := range s.parts {
		s.parts[i].leave()
		s.parts[i] = part{}
	}
}

// Close gives the ports back (media.Socket). The agents end soon after:
// Host.Close waits for them.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.end()
	return s.ports.Close()
}

// Port is RTP's (media.Socket).
func (s *Socket) Port() uint16 { return s.ports.Port() }
