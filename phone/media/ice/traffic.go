package ice

import (
	"errors"
	"net/netip"
	"slices"

	"tincan/phone/media"
)

// index of a component.
func index(control bool) int {
	if control {
		return 1
	}
	return 0
}

// Recv takes one datagram of the party (media.Socket): STUN goes to the agents,
// and what comes from elsewhere is not the party's.
func (s *Socket) Recv(control bool, buf []byte) (n int, from netip.AddrPort, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, from, ok = s.ports.Recv(control, buf)
	if !ok || s.off {
		return n, from, ok
	}
	if isSTUN(buf[:n]) {
		s.inquire(control, buf[:n], from)
		return 0, from, false
	}
	p := &s.parts[index(control)]
	if s.lost || from == p.to && p.out == nil || slices.Contains(p.valid, from) {
		return n, from, true
	}
	s.strange++
	return 0, from, false
}

// Strangers counts what came from elsewhere than the party is, or named nobody here.
func (s *Socket) Strangers() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strange
}

// inquire gives STUN to whom it is for: a request to the session that it names, an
// answer to who has asked there. Called with mu held.
func (s *Socket) inquire(control bool, b []byte, from netip.AddrPort) {
	known := false
	for _, n := range []*session{s.now, s.next} {
		if n == nil || n.agents[index(control)] == nil {
			continue
		}
		a := n.agents[index(control)]
		if request(b) && string(addressee(b)) == n.ufrag || !request(b) && a.port.expects(from) {
			a.port.take(b, from)
			known = true
		}
	}
	if !known {
		s.strange++
	}
}

// errNoWay is a packet's that comes before there is a way.
var errNoWay = errors.New("ice: no way to the party is known yet")

// Send sends by the way that was found (media.Socket).
func (s *Socket) Send(control bool, b []byte, to netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.parts[index(control)]
	switch {
	case s.off, s.lost && p.out == nil:
		return s.ports.Send(control, b, to)
	case p.out != nil:
		return p.out.send(b)
	case p.to.IsValid():
		return s.ports.Send(control, b, p.to)
	case len(p.valid) > 0: // it has shown who it is, and hears us there
		return s.ports.Send(control, b, p.valid[len(p.valid)-1])
	}
	return errNoWay
}

// write sends STUN of an agent.
func (s *Socket) write(control bool, b []byte, to netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.off {
		return errGone
	}
	return s.ports.Send(control, b, to)
}

// heard is told of an address from which a request with the right password came.
func (s *Socket) heard(a *agent, from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := &s.parts[index(a.control)]; s.has(a) && len(p.valid) < maxValid && !slices.Contains(p.valid, from) {
		p.valid = append(p.valid, from)
	}
}

// has reports whether an agent is still of a session. Called with mu held.
func (s *Socket) has(a *agent) bool {
	for _, n := range []*session{s.now, s.next} {
		if n != nil && n.agents[index(a.control)] == a {
			return true
		}
	}
	return false
}

// chosen takes a pair into use. The first pair of a session that began anew ends
// the one before.
func (s *Socket) chosen(a *agent, to, local netip.AddrPort, by string) {
	s.mu.Lock()
	if !s.has(a) {
		s.mu.Unlock()
		return
	}
	p := &s.parts[index(a.control)]
	p.leave()
	p.to, p.by, p.local = to, a, netip.AddrPort{}
	switch {
	case by != byPort:
		p.out = newOutlet(s.host, a)
		if by == byRelay {
			p.local = local
		}
	case !slices.Contains(p.valid, to):
		p.valid = append(p.valid, to)
	}
	if n := s.next; n != nil && n.agents[index(a.control)] == a && s.going(n) {
		s.drop(s.now)
		s.now, s.next = n, nil
	}
	found := s.lost && !a.control
	s.lost = s.lost && !found
	s.mu.Unlock()
	if found {
		s.flow.Led(true)
	}
	s.flow.Settle(a.control, to)
	if s.options.Found != nil && !a.control {
		s.options.Found(to, by)
	}
}

// going reports whether all components of a session have a pair. Called with mu
// held.
func (s *Socket) going(n *session) bool {
	for i, a := range n.agents {
		if a != nil && s.parts[i].by != a {
			return false
		}
	}
	return true
}

// from gives the address of who sends by other ways than the flow's ports.
func (s *Socket) from(a *agent) (netip.AddrPort, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.parts[index(a.control)]
	switch {
	case !s.has(a):
		return netip.AddrPort{}, false
	case p.to.IsValid():
		return p.to, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heard, a.heard.IsValid()
}

// doubt is told that the party does not answer any more, or does again. Its NAT may
// have given it another port: many phones then go on sending and begin nothing
// anew, so that until it answers the latch finds where its media comes from.
func (s *Socket) doubt(a *agent, on bool) {
	s.mu.Lock()
	if s.now == nil || s.now.agents[index(a.control)] != a || a.control || s.lost == on || s.off {
		s.mu.Unlock()
		return
	}
	s.lost = on
	to := s.parts[0].to
	s.mu.Unlock()
	s.flow.Led(!on)
	if !on && to.IsValid() {
		s.flow.Settle(false, to)
	}
}

// failed is told that an agent gave up. Of a session that began anew, media keeps
// to the old one. A party that had answered is found by its media if at all; one
// that never did is sent nothing.
func (s *Socket) failed(a *agent) {
	s.mu.Lock()
	if !s.has(a) {
		s.mu.Unlock()
		return
	}
	n := s.next
	if n != nil && n.agents[index(a.control)] == a {
		s.drop(n)
		s.next = nil
		s.mu.Unlock()
		return
	}
	p := &s.parts[index(a.control)]
	never := p.by == nil
	if never && s.adopted { // who had finished before our restart nominates nothing again
		s.mu.Unlock()
		return
	}
	p.leave()
	*p = part{}
	verdict := s.verdict(a, never)
	tell := s.options.Failed != nil && !s.told && !a.control
	s.told = s.told || tell
	s.mu.Unlock()
	if tell {
		s.options.Failed(verdict, never)
	}
}

// Adopt is told that an earlier process had the flow. Its state may be from before a
// way was found, and who had finished checks nothing again: the latch finds the
// party, until the checks have found it anew.
func (s *Socket) Adopt() {
	s.mu.Lock()
	s.adopted, s.lost = true, true
	s.mu.Unlock()
	s.flow.Led(false)
}

// outlet sends by pion, in a goroutine of its own: a relay over TCP may wait, the
// packet path must not.
type outlet struct {
	queue chan []byte
	done  chan struct{}
}

// outletLength bounds the packets that wait for a connection: 600 ms of sound.
const outletLength = 30

var errFull = errors.New("ice: the connection to the party is slower than its media")

func newOutlet(h *Host, a *agent) *outlet {
	o := &outlet{queue: make(chan []byte, outletLength), done: make(chan struct{})}
	h.closing.Go(func() { o.run(a) })
	return o
}

func (o *outlet) run(a *agent) {
	for {
		select {
		case <-o.done:
			return
		case b := <-o.queue:
			a.send(b)
		}
	}
}

func (o *outlet) send(b []byte) error {
	select {
	case o.queue <- append([]byte(nil), b...):
		return nil
	default:
		return errFull
	}
}

// leave ends the outlet.
func (p *part) leave() {
	if p.out != nil {
		close(p.out.done)
		p.out = nil
	}
}

var _ media.Socket = (*Socket)(nil)
