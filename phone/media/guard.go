package media

import (
	"errors"
	"net/netip"
	"time"

	"tincan/phone/media/rtp"
	"tincan/phone/media/secure"
)

// guard is how a flow's media are secured. The flow's mutex guards it.
//
//	from the party: cheap look at the payload type, then tag and replay window,
//	                then the latch: who has the key is the party, from wherever
//	to the party:   the header's place on the line, then encrypted
//
// With DTLS a handshake finds the keys; until then nothing passes. Where RTCP has a port
// of its own it has a handshake of its own too (RFC 5764 4.1): aside.
type guard struct {
	session *secure.Session  // nil: none, or its keys are not known yet
	on      bool             // nothing passes in the clear
	past    *secure.Position // of an earlier process, until there is a session
	terms   *secure.Terms    // of the handshake; nil: keys are given
	shake   *secure.Handshake
	aside   aside
}

// aside is how RTCP on its own port is secured, when that is not as RTP is. Its keys
// are not kept for another process, in which there are no reports then.
type aside struct {
	on      bool
	session *secure.Session // nil: its keys are not known
	shake   *secure.Handshake
}

// settle takes what was agreed: keys, or how to find them.
func (r *RTP) settle(remote Remote) error {
	g, terms := &r.guard, remote.Handshake
	if terms == nil {
		g.forget()
		return g.configure(remote.Keys)
	}
	known := g.terms != nil && g.terms.Same(terms)
	found := g.terms == nil && remote.Keys != nil // by an earlier process
	switch {
	case known:
		return nil
	case found:
		g.terms, g.aside.on = terms, !remote.Mux
		return g.configure(remote.Keys)
	}
	g.forget()
	g.on, g.terms, g.aside.on = true, terms, !remote.Mux
	if !r.closed {
		g.shake = r.shake(*terms, false)
		if g.aside.on {
			g.aside.shake = r.shake(*terms, true)
		}
	}
	return nil
}

// forget ends the handshake.
func (g *guard) forget() {
	if g.shake != nil {
		g.shake.Close()
	}
	if g.aside.shake != nil {
		g.aside.shake.Close()
	}
	g.terms, g.shake, g.aside = nil, nil, aside{}
}

// shake begins a handshake, of RTP or of RTCP's own port. Called with mu held.
func (r *RTP) shake(terms secure.Terms, control bool) (h *secure.Handshake) {
	return secure.StartHandshake(secure.HandshakeConfig{
		Terms: terms, Group: &r.engine.handshakes,
		Send: func(b []byte) {
			r.mu.Lock()
			defer r.mu.Unlock()
			switch {
			case r.closed:
			case control:
				r.put(true, b, r.control.to)
			default:
				r.put(false, b, r.latch.to)
			}
		},
		Done: func(k secure.Keys, err error) {
			if control {
				r.shakenAside(&terms, k, err)
				return
			}
			r.shaken(&terms, k, err)
		},
	})
}

// shakenAside takes what came of RTCP's handshake. Who begins none has its sound
// without reports.
func (r *RTP) shakenAside(terms *secure.Terms, k secure.Keys, err error) {
	if err != nil {
		return
	}
	s, err := secure.New(k)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if g := &r.guard; g.aside.on && g.terms != nil && g.terms.Same(terms) && !r.closed {
		g.aside.session = s
	}
}

// shaken takes what came of a handshake.
func (r *RTP) shaken(terms *secure.Terms, k secure.Keys, err error) {
	r.mu.Lock()
	ours := r.guard.terms != nil && r.guard.terms.Same(terms) && !r.closed
	if ours && err == nil {
		err = r.guard.configure(&k)
	}
	r.mu.Unlock()
	switch {
	case !ours:
	case err != nil:
		if r.events.Insecure != nil {
			r.events.Insecure(err)
		}
	case r.events.Worn != nil: // the keys are worth keeping
		r.events.Worn()
	}
}

// takeHandshakeAside takes a datagram of RTCP's handshake, from the host that media is
// with.
func (r *RTP) takeHandshakeAside(b []byte, from netip.AddrPort) {
	switch {
	case r.guard.aside.shake == nil:
		r.discarded.Malformed++
	case !r.latch.led && from != r.control.to && from.Addr() != r.latch.to.Addr():
		r.discarded.Strangers++
	default:
		if !r.latch.led && r.guard.aside.session == nil {
			r.control.to = from
		}
		r.guard.aside.shake.Take(b)
	}
}

// takeHandshake takes a datagram of DTLS from where the party may be.
func (r *RTP) takeHandshake(b []byte, from netip.AddrPort, now time.Duration) (moved bool) {
	if r.guard.shake == nil {
		r.discarded.Malformed++
		return false
	}
	ok, moved := r.latch.admit(from, now, func() bool { return false })
	if !ok {
		r.discarded.Strangers++
		return false
	}
	r.heard, r.everGot = now, true
	r.guard.shake.Take(b)
	return moved
}

// Keys are those that encrypt media now, however they were agreed on; nil: none.
func (r *RTP) Keys() *secure.Keys {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.guard.session == nil {
		return nil
	}
	k := r.guard.session.Keys()
	return &k
}

// configure takes keys. A direction whose key stays goes on unbroken.
func (g *guard) configure(k *secure.Keys) error {
	g.on = k != nil
	switch {
	case k == nil:
		g.session = nil
		return nil
	case g.session == nil:
		return g.begin(*k)
	case g.session.Keys().Equal(*k):
		return nil
	}
	return g.session.Rekey(*k)
}

func (g *guard) begin(k secure.Keys) error {
	s, err := secure.New(k)
	if err != nil {
		return err
	}
	if g.past != nil {
		s.Resume(*g.past)
		g.past = nil
	}
	g.session = s
	return nil
}

// restore goes on where an earlier process was.
func (g *guard) restore(p *secure.Position) {
	if g.session != nil && p != nil {
		g.session.Resume(*p)
		return
	}
	g.past = p
}

// position gives what restore needs; nil in the clear.
func (g *guard) position() *secure.Position {
	if g.session == nil {
		return g.past
	}
	p := g.session.Position()
	return &p
}

// suite names how media are encrypted; "": they are not.
func (g *guard) suite() string {
	if g.session == nil {
		return ""
	}
	return g.session.Keys().Suite.String()
}

// unseal gives the RTP packet in a datagram of the party, or says why not by
// counting it.
func (r *RTP) unseal(b []byte) ([]byte, bool) {
	if len(b) < rtp.HeaderLen || r.byPT[b[1]&0x7f] == 0 {
		r.discarded.Unknown++
		if len(b) > 1 {
			r.judge.unknownPT = b[1] & 0x7f
		}
		return nil, false
	}
	if r.guard.session == nil { // early: it cannot be read yet
		r.discarded.Forged++
		return nil, false
	}
	plain, err := r.guard.session.Unprotect(b)
	return plain, r.believed(err)
}

func (r *RTP) unsealControl(control bool, b []byte) ([]byte, bool) {
	s := r.guard.of(control)
	switch {
	case s == nil && control && r.guard.aside.on: // agreed with an earlier process, or about to be: no sound is lost
		return nil, false
	case s == nil:
		r.discarded.Forged++
		return nil, false
	}
	plain, err := s.UnprotectControl(b)
	return plain, r.believed(err)
}

// of gives the session of a port; nil: its keys are not known.
func (g *guard) of(control bool) *secure.Session {
	if control && g.aside.on {
		return g.aside.session
	}
	return g.session
}

func (r *RTP) believed(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, secure.ErrReplayed):
		r.discarded.Replayed++
	default:
		r.discarded.Forged++
	}
	return false
}

// prove takes a packet that was encrypted with the party's key: where the
// foremost comes from is where the party is.
func (r *RTP) prove(from netip.AddrPort, h rtp.Header, now time.Duration) (ok, moved bool) {
	foremost := !r.rx.follows(h) || int16(h.Seq-r.rx.highest) > 0
	return r.latch.prove(from, foremost, now)
}

// sealed sends a packet encrypted. Called with a Session, or with none yet.
func (r *RTP) sealed(control bool, b []byte, to netip.AddrPort) bool {
	s := r.guard.of(control)
	if s == nil {
		r.discarded.Unsent++
		return false
	}
	buf := r.engine.scratch.Get().(*[]byte)
	defer r.engine.scratch.Put(buf)
	protect := s.Protect
	if rtp.Classify(b) == rtp.Control {
		protect = s.ProtectControl
	}
	out, err := protect(*buf, b)
	if err != nil {
		r.discarded.Unsent++
		return false
	}
	return r.put(control, out, to)
}
