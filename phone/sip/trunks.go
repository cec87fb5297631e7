package sip

import (
	"context"
	"strings"
	"time"

	"tincan/phone/directory"
	"tincan/phone/event"
	"tincan/phone/sip/registration"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transport"
)

// TrunkStatus is how a trunk does.
type TrunkStatus struct {
	Name   string    `json:"name"`
	State  string    `json:"state"` // see link.status
	Since  time.Time `json:"since,omitzero"`
	Target string    `json:"target,omitempty"` // that answered last
	In     int       `json:"calls_in"`         // at present
	Out    int       `json:"calls_out"`
	Limit  int       `json:"limit,omitempty"`
	Error  string    `json:"error,omitempty"` // of the last attempt, if it failed
	Next   time.Time `json:"next,omitzero"`   // when we register again
}

// Trunks says how all SIP trunks do, by name.
func (s *Server) Trunks() []TrunkStatus {
	out := []TrunkStatus{}
	for _, t := range s.cfg.Directory.Snapshot().Trunks() {
		if !t.IAX2() {
			out = append(out, s.links.of(t).status())
		}
	}
	return out
}

// TrunksFailing counts the trunks that should work and do not.
func (s *Server) TrunksFailing() (n int) {
	for _, st := range s.Trunks() {
		switch st.State {
		case string(registration.Waiting), string(registration.Refused), stateDown, stateNotHere:
			n++
		}
	}
	return n
}

// TrunksChanged takes up the trunks as the directory has them now: registers
// where that is new, and says goodbye where it is over.
func (s *Server) TrunksChanged() {
	snap := s.cfg.Directory.Snapshot()
	for _, t := range snap.Trunks() {
		if !t.IAX2() {
			s.links.of(t).follow(t)
		}
	}
	for _, k := range s.links.gone(snap) {
		k.follow(nil)
	}
}

// gone takes out the links of trunks that are no more, or speak IAX2 now.
func (ls *links) gone(snap *directory.Snapshot) (out []*link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for name, k := range ls.all {
		if t, ok := snap.Trunk(name); !ok || t.IAX2() {
			out = append(out, k)
			delete(ls.all, name)
		}
	}
	return out
}

func (ls *links) each(f func(*link)) {
	ls.mu.Lock()
	all := make([]*link, 0, len(ls.all))
	for _, k := range ls.all {
		all = append(all, k)
	}
	ls.mu.Unlock()
	for _, k := range all {
		f(k)
	}
}

// follow begins, keeps or ends the registration; t nil: the trunk is no more.
func (k *link) follow(t *directory.Trunk) {
	k.mu.Lock()
	old := k.attached
	if old != nil && t != nil && sameRegistration(old.trunk, t) {
		k.mu.Unlock()
		return
	}
	k.attached, k.route = nil, nil
	if t != nil && t.Register {
		k.attached = k.attach(t)
	}
	fresh := k.attached
	k.mu.Unlock()
	if old != nil {
		old.client.Stop(true, func() {})
	}
	if fresh != nil {
		fresh.client.Start()
	}
}

// Unregister says goodbye to all trunks and waits for their answers until ctx
// ends: for an end that is meant, not for a restart.
func (s *Server) Unregister(ctx context.Context) {
	var all []*attachment
	s.links.each(func(k *link) {
		if a := k.detach(); a != nil {
			all = append(all, a)
		}
	})
	ended := make(chan struct{}, len(all)) // so that none waits for who has gone
	for _, a := range all {
		a.client.Stop(true, func() { ended <- struct{}{} })
	}
	for range all {
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// stop ends all timers of trunks without a word.
func (ls *links) stop() {
	ls.each(func(k *link) {
		if a := k.detach(); a != nil {
			a.client.Stop(false, func() {})
		}
	})
}

func (k *link) detach() *attachment {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.attached
	k.attached = nil
	return a
}

// attachment gives the registration at the trunk; nil if there is none.
func (k *link) attachment() *attachment {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.attached
}

// registrar finds the trunk that we are registered at, at the other end of a path:
// over UDP the same address and port, else the same connection. Where there are
// several, none is meant.
func (ls *links) registrar(from transport.Path) (found *directory.Trunk, ok bool) {
	n := 0
	ls.each(func(k *link) {
		a := k.attachment()
		if a == nil {
			return
		}
		if p, _ := a.at(); p == from || p.Protocol == transport.UDP && from.Protocol == p.Protocol && p.Remote == from.Remote {
			found, n = k.setup(), n+1
		}
	})
	return found, n == 1
}

// lost tells the trunk whose registration came by a connection that it ended.
func (ls *links) lost(p transport.Path) {
	ls.each(func(k *link) {
		if a := k.attachment(); a != nil {
			if at, _ := a.at(); at == p {
				a.client.Lost()
			}
		}
	})
}

// renew registers everywhere again: our address has changed.
func (ls *links) renew() {
	ls.each(func(k *link) {
		if a := k.attachment(); a != nil {
			a.client.Lost()
		}
	})
}

func (s *Server) tellTrunk(name, state, detail string) {
	s.cfg.Bus.Publish(event.Trunk{Time: time.Now(), Trunk: name, State: state, Detail: detail})
}

// The states of trunks where we do not register; registration's phases are the
// others.
const (
	stateUp      = "up"              // it answers OPTIONS
	stateDown    = "down"            // it does not
	stateHere    = "registered here" // it is registered at us
	stateNotHere = "not registered here"
	stateOpen    = "not watched" // nobody asks whether it is up
)

// status says how the trunk does.
func (k *link) status() TrunkStatus {
	k.mu.Lock()
	st := TrunkStatus{
		Name: k.name, State: stateOpen, In: k.in, Out: k.out, Limit: k.trunk.Limit,
	}
	t, a, q := k.trunk, k.attached, k.probed
	k.mu.Unlock()
	switch {
	case t.Accept == "register":
		k.statusHere(&st, t)
	case a != nil:
		a.status(&st)
	}
	if t.Qualify > 0 && q.state != "" && (a == nil || q.state == stateDown) {
		st.State, st.Since, st.Error = q.state, q.since, q.error
	}
	if st.Target == "" && q.target.Addr.IsValid() {
		st.Target = q.target.String()
	}
	return st
}

func (k *link) statusHere(st *TrunkStatus, t *directory.Trunk) {
	st.State = stateNotHere
	if b, ok := k.s.latest(t.Ref()); ok {
		st.State, st.Since, st.Target = stateHere, b.Updated, b.Transport+" "+b.Received.String()
	}
}

func (a *attachment) status(st *TrunkStatus) {
	r := a.client.State()
	st.State, st.Since, st.Error = string(r.Phase), r.Since, r.Error
	if r.Phase != registration.Registering {
		st.Next = r.Next
	}
	if _, target := a.at(); target.Addr.IsValid() {
		st.Target = target.String()
	}
}

// probed is what OPTIONS have found out.
type probed struct {
	state  string // "" before the first answer
	since  time.Time
	error  string
	target resolve.Target // that answered
	next   time.Time
}

// keepOpen is the time between keep-alives to where we are registered: below the
// shortest that NATs keep a UDP mapping (RFC 4787 REQ-5 hopes for 2 min, 30 s are
// seen).
const keepOpen = 25

var crlf = []byte("\r\n\r\n") // RFC 5626 4.4.1; over UDP a NAT alone sees it

// tick is called each second.
func (ls *links) tick(now time.Time, n int) {
	ls.each(func(k *link) {
		if a := k.attachment(); a != nil && n%keepOpen == keepOpen-1 {
			if p, _ := a.at(); p.Valid() {
				_ = ls.s.transport.Send(p, crlf) // the next REGISTER finds out
			}
		}
		k.qualify(now)
	})
}

// textOf bounds what is shown of an error.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return clip(strings.TrimSpace(err.Error()))
}
