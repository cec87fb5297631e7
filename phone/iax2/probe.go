package iax2

import (
	"net/netip"
	"time"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
)

// probe is a POKE: whether somebody lives there, and how long an answer takes.
type probe struct {
	session *session
	done    func(alive bool, lag time.Duration)
}

func (p *probe) lost(call.Cause) { p.session.after(func() { p.done(false, 0) }) }

func (p *probe) take(f *frame.Full) {
	x := p.session
	if !f.Is(frame.Pong) {
		return
	}
	lag := x.rtt
	x.bye(f.Time)
	x.after(func() { p.done(true, lag) })
}

// tick gives up on who is silent (ticker).
func (p *probe) tick(now time.Time) {
	if now.Sub(p.session.epoch) > silent {
		p.session.lose(call.Timeout)
	}
}

// poke asks whether somebody lives at the end of a way.
func (s *Server) poke(to path, done func(alive bool, lag time.Duration)) {
	x := s.newSession(to, 0, false)
	x.party = &probe{x, done}
	if !s.sessions.add(x) {
		return
	}
	x.mu.Lock()
	defer x.unlock()
	x.command(frame.Poke, nil)
}

// probe finds out whether a trunk is up.
func (k *link) probe(t *directory.Trunk) {
	down := func(why string) {
		k.mu.Lock()
		k.probing = false
		k.mu.Unlock()
		k.set(Down, why)
	}
	host, port, err := directory.HostPort(t.Address)
	if err != nil {
		down(err.Error())
		return
	}
	k.s.reach(host, port, func(at []netip.AddrPort, err error) {
		if err != nil || len(at) == 0 {
			down("the address " + host + " is not known")
			return
		}
		p, err := k.s.pathTo(at[0], "")
		if err != nil {
			down(err.Error())
			return
		}
		k.mu.Lock()
		k.target = p.peer
		k.mu.Unlock()
		k.s.poke(p, func(alive bool, lag time.Duration) {
			if !alive {
				down("it does not answer")
				return
			}
			k.mu.Lock()
			k.probing, k.lag = false, lag
			k.mu.Unlock()
			k.set(Up, "")
		})
	})
}

// pokeEvery keeps the way to a device open through NATs, below the shortest time after
// which they forget (30 s are seen).
const pokeEvery = 25

// probeDevices pokes each device that is registered, a part of them each second.
func (s *Server) probeDevices(now time.Time) {
	turn := now.Unix() % pokeEvery
	var due []directory.Binding
	s.cfg.Bindings.Each(func(b *directory.Binding) {
		if b.Transport == Transport && b.Updated.Unix()%pokeEvery == turn && b.Expires.After(now) {
			due = append(due, *b)
		}
	})
	for _, b := range due {
		if p, err := s.pathTo(b.Received, b.Local); err == nil {
			s.poke(p, func(bool, time.Duration) {})
		}
	}
}
