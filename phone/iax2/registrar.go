package iax2

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/event"
	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
	"tincan/store"
)

// Bounds of registrations, in seconds. Below the shortest a NAT forgets a mapping
// (RFC 4787), so that devices behind one stay reachable.
const (
	refreshUsual = 60
	refreshLeast = 30
	refreshMost  = 3600
)

// Transport is what bindings of devices that speak IAX2 have in its place.
const Transport = directory.TransportIAX2

// registrar takes a registration of a device, or of a trunk that registers here.
//
//	REGREQ ── REGAUTH ── REGREQ with proof ─┬─ right: written, then REGACK
//	REGREL                                  └─ wrong: REGREJ
type registrar struct {
	session   *session
	account   account
	decoy     bool
	challenge []byte
	writing   bool
}

func (r *registrar) lost(call.Cause) {}

// tick gives up on who does not prove itself (ticker).
func (r *registrar) tick(now time.Time) {
	if now.Sub(r.session.epoch) > proveTime {
		r.session.end()
	}
}

func (r *registrar) take(f *frame.Full) {
	x := r.session
	if f.Type != frame.IAX || r.writing {
		return
	}
	leaves := f.Is(frame.RegRel)
	if !leaves && !f.Is(frame.RegReq) {
		if f.Is(frame.HangupCall) || f.Is(frame.RegRej) {
			x.bye(f.Time)
		}
		return
	}
	e, err := frame.ParseElements(f.Payload)
	if err != nil {
		x.s.counts.Malformed.Add(1)
		return
	}
	if r.challenge == nil {
		r.ask(&e)
		return
	}
	r.check(&e, leaves)
}

// ask asks who it is; whoever it says it is.
func (r *registrar) ask(e *frame.Elements) {
	x := r.session
	known := false
	r.account, known = x.s.accountOf(x.s.cfg.Directory.Snapshot(), e.Username)
	if t := r.account.trunk; t != nil && t.Accept != "register" { // it calls, and registers nowhere
		known = false
	}
	r.decoy = !known
	r.account.user = e.Username
	r.challenge = proof.NewChallenge()
	x.command(frame.RegAuth, &frame.Elements{AuthMethods: methods, Challenge: r.challenge, Username: e.Username})
}

func (r *registrar) check(e *frame.Elements, leaves bool) {
	x := r.session
	p := proofIn{r.challenge}
	right := p.right(&r.account, e) && !r.decoy
	if g := x.s.cfg.Gate; g != nil {
		if right {
			g.Proved(x.path.peer)
		} else {
			g.Wrong(x.path.peer)
		}
	}
	if !right {
		x.s.wrong(x.path.peer, "REGREQ", r.account.user)
		r.reject("wrong user or password", facilityRejected)
		return
	}
	x.s.sessions.proved(x)
	refresh := e.Refresh.Or(refreshUsual)
	if leaves {
		refresh = 0
	} else if refresh > 0 {
		refresh = min(max(refresh, refreshLeast), refreshMost)
	}
	r.write(refresh)
}

func (r *registrar) reject(why string, code uint8) {
	x := r.session
	x.command(frame.RegRej, &frame.Elements{Cause: why, CauseCode: frame.Some(code)})
	x.leave()
}

// contactOf is the address of a device, as bindings have it.
func contactOf(user string, at netip.AddrPort) string { return "iax2:" + user + "@" + at.String() }

// owner is who bindings are of: an extension, or a trunk.
func (a *account) owner() string {
	if a.trunk != nil {
		return a.ref
	}
	return a.number
}

// write keeps the registration; only then is it acknowledged.
func (r *registrar) write(refresh uint16) {
	x, s := r.session, r.session.s
	r.writing = true
	now := time.Now()
	b := directory.Binding{
		Extension: r.account.owner(), Contact: contactOf(r.account.user, x.path.peer), Received: x.path.peer,
		Transport: Transport, Local: x.path.local.String(), Expires: now.Add(time.Duration(refresh) * time.Second),
		Updated: now, UserAgent: "IAX2", Q: 1,
	}
	if !x.path.local.IsValid() {
		b.Local = x.path.port.local.Addr().String()
	}
	put, remove := []directory.Binding{b}, []directory.Binding(nil)
	if refresh == 0 {
		put, remove = nil, put
	}
	fresh := !s.registered(&b)
	x.after(func() {
		s.cfg.Bindings.Update(b.Extension, put, remove, func(err error) { r.written(&b, refresh, fresh, err) })
	})
}

// registered tells whether a device is registered from just there.
func (s *Server) registered(b *directory.Binding) bool {
	for _, o := range s.cfg.Bindings.For(b.Extension) {
		if o.Key() == b.Key() {
			return true
		}
	}
	return false
}

func (r *registrar) written(b *directory.Binding, refresh uint16, fresh bool, err error) {
	x, s := r.session, r.session.s
	x.mu.Lock()
	defer x.unlock()
	switch {
	case errors.Is(err, directory.ErrTooManyBindings):
		r.reject(err.Error(), facilityRejected)
		return
	case err != nil && !errors.Is(err, store.ErrSpooled):
		s.log.Error("iax2: a registration cannot be written", "extension", b.Extension, "error", err)
		r.reject("the server cannot keep registrations at the moment", temporaryFailure)
		return
	}
	x.command(frame.RegAck, &frame.Elements{
		Username: r.account.user, DateTime: frame.NewDateTime(time.Now()), Refresh: frame.Some(refresh),
		ApparentAddress: x.path.peer, CallingNumber: r.account.number, CallingName: r.account.name,
	})
	x.leave()
	step := "refreshed"
	switch {
	case refresh == 0:
		step = "removed"
	case fresh:
		step = "registered"
	}
	s.tell(event.Registration{Time: time.Now(), Extension: b.Extension, Contact: b.Contact, Step: step})
	if fresh || refresh == 0 {
		s.log.Info("iax2: device "+step, "extension", b.Extension, "contact", b.Contact, "refresh", refresh)
	}
}

func (s *Server) tell(e any) {
	if s.cfg.Bus != nil && s.cfg.Bus.Listened() {
		s.cfg.Bus.Publish(e)
	}
}

// wrong tells of a wrong proof; who guards the door listens.
func (s *Server) wrong(peer netip.AddrPort, method, user string) {
	s.tell(event.Refused{Time: time.Now(), Peer: peer, Method: "IAX2 " + method, User: user, Why: "wrong user or password"})
	s.log.Warn("iax2: wrong user or password", "peer", peer, "method", method, "user", fmt.Sprintf("%q", clip(user)))
}
