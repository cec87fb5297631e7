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
type guard struct {
	session *secure.Session  // nil: none, or its keys are not known yet
	on      bool             // nothing passes in the clear
	past    *secure.Position // of an earlier process, until there is a session
}

// configure takes what was agreed. A direction whose key stays goes on unbroken.
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
		return nil, false
	}
	if r.guard.session == nil { // early: it cannot be read yet
		r.discarded.Forged++
		return nil, false
	}
	plain, err := r.guard.session.Unprotect(b)
	return plain, r.believed(err)
}

func (r *RTP) unsealControl(b []byte) ([]byte, bool) {
	if r.guard.session == nil {
		r.discarded.Forged++
		return nil, false
	}
	plain, err := r.guard.session.UnprotectControl(b)
	return plain, r.believed(err)
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
	if r.guard.session == nil {
		r.discarded.Unsent++
		return false
	}
	buf := r.engine.scratch.Get().(*[]byte)
	defer r.engine.scratch.Put(buf)
	protect := r.guard.session.Protect
	if rtp.Classify(b) == rtp.Control {
		protect = r.guard.session.ProtectControl
	}
	out, err := protect(*buf, b)
	if err != nil {
		r.discarded.Unsent++
		return false
	}
	return r.put(control, out, to)
}
