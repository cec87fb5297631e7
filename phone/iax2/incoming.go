package iax2

import (
	"net/netip"
	"time"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
)

// proveTime is how long a caller may take to prove who it is.
const proveTime = 10 * time.Second

// incoming is a call before it is known who calls.
//
//	NEW ─┬─ user known, or unknown: AUTHREQ ── AUTHREP ─┬─ right ─> leg
//	     │  (nobody is told which of the two)           └─ wrong ─> REJECT
//	     ├─ a trunk's address ───────────────────────────────────> leg
//	     └─ nobody, to a public number ──────────────────────────> leg of a stranger
type incoming struct {
	session *session
	set     frame.Elements // of the NEW; copied
	account account
	decoy   bool // there is no such user
	proof   proofIn
	asked   bool
}

func (c *incoming) lost(call.Cause) {}

// tick gives up on who does not prove itself (ticker).
func (c *incoming) tick(now time.Time) {
	if now.Sub(c.session.epoch) > proveTime {
		c.session.end()
	}
}

func (c *incoming) take(f *frame.Full) {
	if f.Type != frame.IAX {
		return
	}
	e, err := frame.ParseElements(f.Payload)
	if err != nil {
		c.session.s.counts.Malformed.Add(1)
		return
	}
	switch {
	case f.Is(frame.New) && !c.asked:
		c.set = e
		c.begin()
	case f.Is(frame.AuthRep) && c.asked:
		c.check(&e)
	case f.Is(frame.HangupCall), f.Is(frame.Reject):
		c.session.bye(f.Time)
	}
}

// begin says who calls, or asks.
func (c *incoming) begin() {
	x := c.session
	c.asked = true
	snap := x.s.cfg.Directory.Snapshot()
	known := false
	if c.account, known = x.s.accountOf(snap, c.set.Username); !known {
		if t, ok := x.s.trunkAt(snap, x.path.peer); ok {
			c.account = trunkAccount(x.s, t)
			if c.account.encryption == "required" { // a key is made of what both know
				c.proof.begin(c, x)
			} else {
				c.accepted()
			}
			return
		}
		if c.set.Username == "" && x.s.public(c.set.CalledNumber) {
			c.account = account{ref: call.Stranger}
			c.accepted()
			return
		}
		c.decoy = true
	}
	c.proof.begin(c, x)
}

// check looks at the proof of who calls.
func (c *incoming) check(e *frame.Elements) {
	x := c.session
	right := c.proof.right(&c.account, e)
	if g := x.s.cfg.Gate; g != nil {
		if right && !c.decoy {
			g.Proved(x.path.peer)
		} else {
			g.Wrong(x.path.peer)
		}
	}
	if !right || c.decoy {
		x.s.wrong(x.path.peer, "NEW", c.set.Username)
		c.reject("wrong user or password", callRejected)
		return
	}
	if x.keys == nil && c.account.encryption == "required" {
		c.reject("calls of this user must be encrypted", notAvailable)
		return
	}
	c.accepted()
}

// reject refuses the call.
func (c *incoming) reject(why string, code uint8) {
	x := c.session
	x.command(frame.Reject, &frame.Elements{Cause: why, CauseCode: frame.Some(code)})
	x.leave()
}

// accepted makes a leg of the call, whose party is known now.
func (c *incoming) accepted() {
	x := c.session
	s := x.s
	s.sessions.proved(x)
	l := &leg{x: x, id: newID(), calledIn: true, account: c.account, correspondent: c.set.CalledNumber}
	l.can = allowed(wanted(&c.set), c.account.codecs)
	if len(l.can) == 0 {
		c.reject("no common codec: the caller has "+(c.set.Capability|c.set.Format).String(), incompatible)
		return
	}
	if forwards(&c.set) <= 0 {
		c.reject(call.TooManyHops.Kind, codeOf(call.TooManyHops))
		return
	}
	if cause, ok := c.admit(l); !ok {
		c.reject(cause.Text, codeOf(cause))
		return
	}
	from := c.account.party(&c.set, x.path.peer)
	l.number, l.name = from.Number, from.Name
	if x.keys == nil {
		l.sees = within(visible, c.set.Capability)
	}
	l.offer = describe(l.can, l.sees)
	l.flow = newFlow(l)
	if t := c.account.trunk; t != nil {
		l.flow.bundled = t.Trunking
	}
	x.flow.Store(l.flow)
	if len(l.sees) > 0 {
		l.watch()
	}
	x.party = l
	set := call.Setup{From: from, Dialled: c.set.CalledNumber, Offer: l.offer, MaxForwards: forwards(&c.set) - 1}
	x.after(func() { s.calls.Load().Incoming(l, set) })
}

// admit counts the call among those that its party may have.
func (c *incoming) admit(l *leg) (call.Cause, bool) {
	s := c.session.s
	switch {
	case s.calls.Load() == nil:
		return call.Shutdown, false
	case c.account.ref == call.Stranger:
		if int(s.guests.Add(1)) > s.settings.Load().Guests {
			s.guests.Add(-1)
			return call.Cause{Kind: call.Failed.Kind, Code: 503, Text: "too many strangers are calling"}, false
		}
	case c.account.trunk != nil:
		k := s.links.get(c.account.trunk)
		if !k.enter(true) {
			return call.Cause{Kind: call.Failed.Kind, Code: 503, Text: "the trunk has as many calls as it may"}, false
		}
		l.seat = k
	}
	return call.Cause{}, true
}

// trunkAt finds the trunk whose calls come from an address without proof: one that is
// known by its address, or where we are registered just there.
func (s *Server) trunkAt(snap *directory.Snapshot, peer netip.AddrPort) (*directory.Trunk, bool) {
	if t, ok := snap.IAX2TrunkFor(peer); ok {
		return t, t.Accept == ""
	}
	for _, k := range s.links.all() {
		k.mu.Lock()
		t, there := k.trunk, k.state == Registered && k.target == peer
		k.mu.Unlock()
		if there {
			return t, true
		}
	}
	return nil, false
}
