package ice

import (
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// How a STUN server is asked for the address of a port from outside (RFC 8489 6.2.1,
// shortened: a call waits for it).
const (
	askAgain = 250 * time.Millisecond // doubled each time
	askTimes = 3
)

// askKeep is how often the address is kept, while the call rings: NATs that forget what
// is silent for 30 s are many, though two minutes are wanted of them (RFC 4787 4.3).
const askKeep = 15 * time.Second

// reflect asks from the agent's own port, which is what makes the answer worth
// something behind a NAT that gives ports of its own, and keeps what it was told.
func (a *agent) reflect() {
	to, told := a.reflection()
	close(a.reflected)
	if told {
		a.keep(to)
	}
}

// reflection gives the server that answered.
func (a *agent) reflection() (to *net.UDPAddr, told bool) {
	to, ok := a.resolve(a.socket.host.config.Stun)
	if !ok {
		return nil, false
	}
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if err != nil {
		return nil, false
	}
	answers := a.port.ask(m.TransactionID)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for wait, n := askAgain, 0; n < askTimes; wait, n = 2*wait, n+1 {
		_, _ = a.port.WriteTo(m.Raw, to) // lost, as on the way
		timer.Reset(wait)
		select {
		case at := <-answers:
			a.reflectedAt(at)
			return to, true
		case <-timer.C:
		case <-a.port.done:
			return nil, false
		}
	}
	a.socket.host.missed(time.Now())
	return nil, false
}

// keep keeps the NAT from giving the port's address away before the party begins to
// check it, which may be long: somebody has to take the call first (RFC 8445 5.1.1.4).
// Indications ask for no answer.
func (a *agent) keep(to *net.UDPAddr) {
	tick := time.NewTicker(askKeep)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-a.port.done:
			return
		}
		m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication), stun.Fingerprint)
		if err != nil || a.started() {
			return // the checks keep it from there
		}
		_, _ = a.port.WriteTo(m.Raw, to) // the next one may arrive
	}
}

func (a *agent) started() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conn != nil
}

// resolve gives an address of a server, of the port's family.
func (a *agent) resolve(server string) (*net.UDPAddr, bool) {
	host, number, err := net.SplitHostPort(server)
	if err != nil {
		return nil, false
	}
	port, err := net.DefaultResolver.LookupPort(a.leash, "udp", number)
	if err != nil {
		return nil, false
	}
	all, _ := net.DefaultResolver.LookupNetIP(a.leash, "ip", host) // none, when it errs
	for _, at := range all {
		if at = at.Unmap(); at.Is4() == a.socket.options.Bind.Unmap().Is4() {
			return net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, uint16(port))), true
		}
	}
	return nil, false
}

// reflectedAt takes the port's address as it is from outside.
func (a *agent) reflectedAt(at netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.candidates {
		if c, ok := a.candidates[i].Addr(); ok && c == at {
			return
		}
	}
	c := a.candidates[0] // the port's own
	c.Foundation, c.Type, c.Related = "3", "srflx", netip.AddrPortFrom(a.socket.options.Bind, c.Port)
	c.Host, c.Port, c.Priority = at.Addr().String(), at.Port(), priority(preferReflexive+1, a.component()) // known, where the other is a guess
	a.candidates = append(a.candidates, c)
}

// ask makes the port look for the answer to a request of ours that is no check.
func (p *port) ask(id [stun.TransactionIDSize]byte) <-chan netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.query, p.answers = id, make(chan netip.AddrPort, 1)
	return p.answers
}

// answered takes such an answer.
func (p *port) answered(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers == nil || len(b) < stunHeader || [stun.TransactionIDSize]byte(b[8:stunHeader]) != p.query {
		return false
	}
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	var at stun.XORMappedAddress
	if m.Decode() != nil || at.GetFrom(m) != nil {
		return true
	}
	if addr, ok := netip.AddrFromSlice(at.IP); ok {
		select {
		case p.answers <- netip.AddrPortFrom(addr.Unmap(), uint16(at.Port)):
		default: // it has come before
		}
	}
	return true
}
