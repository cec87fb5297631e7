package iax2

import (
	"hash/maphash"
	"net/netip"
	"time"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/iax2/frame"
)

// What belongs to no session is looked at in this order, and nothing is kept of it
// before its sender has shown, by a call token, that it gets what is sent to its
// address. No answer has more bytes than what drew it.
//
//	gate ── parse ── POKE ──────────────────────> PONG
//	               ├─ NEW, REGREQ, REGREL ─ token? ─ no ─> CALLTOKEN, or REJECT
//	               │                          └─ yes ─> a session
//	               └─ of a call that is no more ─> INVAL

// fingerprint tells the frame that began a session from another with its number.
type fingerprint struct {
	time uint32
	hash uint64
}

// seed is the key of their hash, so that nobody can make two that are the same. It never
// changes.
var seed = maphash.MakeSeed()

func printOf(f *frame.Full) fingerprint {
	return fingerprint{f.Time, maphash.Bytes(seed, f.Payload)}
}

func (s *Server) stranger(b []byte, from path) {
	if g := s.cfg.Gate; g != nil && !g.Allow(from.peer) {
		s.counts.Held.Add(1)
		return
	}
	f, err := frame.ParseFull(b)
	if err != nil || f.Source == 0 {
		s.counts.Malformed.Add(1)
		return
	}
	if f.Type != frame.IAX {
		s.unknown(&f, from)
		return
	}
	switch f.Command() {
	case frame.New, frame.RegReq, frame.RegRel:
		if f.Dest != 0 {
			s.unknown(&f, from)
			return
		}
		s.begins(&f, from, len(b))
	case frame.Poke:
		s.trace(false, from, 0, b)
		s.answer(&f, frame.Pong, nil, from, len(b))
	case frame.Ack, frame.Inval, frame.Vnak, frame.Pong, frame.CallToken, frame.TxCnt, frame.TxAcc:
		s.counts.Strangers.Add(1)
	default:
		s.unknown(&f, from)
	}
}

// unknown says that there is no such call.
func (s *Server) unknown(f *frame.Full, from path) {
	s.counts.Strangers.Add(1)
	s.answer(f, frame.Inval, nil, from, bareFull+len(f.Payload))
}

// bareFull is how long a full frame without a payload is, in bytes.
const bareFull = 12

// answer answers a frame for which nothing is kept, unless that took more bytes than
// the frame had.
func (s *Server) answer(f *frame.Full, c frame.Command, e *frame.Elements, to path, most int) bool {
	b := frame.AppendFull(nil, frame.Full{
		Source: stateless, Dest: f.Source, Time: f.Time, OSeq: f.ISeq, ISeq: f.OSeq + 1,
		Type: frame.IAX, Subclass: frame.Subclass(c), Payload: elements(e),
	})
	if len(b) > most {
		return false
	}
	s.trace(true, to, 0, b)
	to.port.send(to, b)
	return true
}

// begins takes a frame that begins a call or a registration.
func (s *Server) begins(f *frame.Full, from path, size int) {
	e, err := frame.ParseElements(f.Payload)
	if err != nil {
		s.counts.Malformed.Add(1)
		return
	}
	now := time.Now()
	switch {
	case e.CallToken.Present && s.tokens.Valid(e.CallToken.Value, from.peer, now):
	case e.CallToken.Present:
		t := &frame.Elements{CallToken: frame.Some(s.tokens.Issue(from.peer, now))}
		if !s.answer(f, frame.CallToken, t, from, size) {
			s.counts.Tokenless.Add(1)
		}
		return
	case !s.optional(from.peer.Addr()):
		s.tokenless(f, from, size)
		return
	}
	if old := s.sessions.of(from.peer, f.Source); old != nil { // its peer has started anew
		old.mu.Lock()
		old.lose(call.Interrupted.Why("the other side has started anew"))
		old.unlock()
	}
	x := s.newSession(from, f.Source, !e.CallToken.Present || !s.known(from.peer))
	x.first = printOf(f)
	if f.Is(frame.New) {
		x.party = &incoming{session: x}
	} else {
		x.party = &registrar{session: x}
	}
	if !s.sessions.add(x) {
		s.refuse(f, "too many calls from this address", from, size)
		return
	}
	x.mu.Lock()
	defer x.unlock()
	s.trace(false, from, x.ours, frame.AppendFull(nil, *f))
	x.iseq = f.OSeq + 1
	x.party.take(f)
}

// known tells whether a device or trunk of ours is at an address. Once a token shows
// that it is there, it may begin more calls at once than who has proved nothing: a
// server that takes up its work begins many.
func (s *Server) known(peer netip.AddrPort) bool {
	if _, ok := s.cfg.Bindings.Source(peer, directory.TransportIAX2); ok {
		return true
	}
	_, ok := s.trunkAt(s.cfg.Directory.Snapshot(), peer)
	return ok
}

func (s *Server) optional(a netip.Addr) bool {
	for _, p := range s.settings.Load().Optional {
		if p.Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// Bounds of what is logged of who has no token.
const (
	tellTokenless = time.Hour
	maxTokenless  = 1000
)

// tokenless refuses who cannot show that it is where it says, and says so in the log.
func (s *Server) tokenless(f *frame.Full, from path, size int) {
	s.counts.Tokenless.Add(1)
	s.refuse(f, "call token required", from, size)
	a, now := from.peer.Addr(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.refusals[a]) < tellTokenless {
		return
	}
	if len(s.refusals) >= maxTokenless {
		clear(s.refusals)
	}
	s.refusals[a] = now
	s.log.Warn(`iax2: a device that knows no call tokens was refused; if it is yours, name its network in [iax2] calltoken_optional`, "peer", from.peer)
}

// refuse says no where nothing is kept, with as much of the reason as there is room.
func (s *Server) refuse(f *frame.Full, why string, to path, size int) {
	c := frame.Reject
	if !f.Is(frame.New) {
		c = frame.RegRej
	}
	e := &frame.Elements{Cause: why, CauseCode: frame.Some(uint8(facilityRejected))}
	if !s.answer(f, c, e, to, size) {
		s.answer(f, c, nil, to, size)
	}
}
