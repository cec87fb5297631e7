package media

import (
	"sync/atomic"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// path carries what one flow sends to another. It is built once and then only
// read, but for the atomics; its packets come one at a time.
type path struct {
	to      Flow       // nil: sound ends at a mixer and nothing else is carried
	skip    skipper    // to, when it has a sequence that leaves no holes
	index   [128]uint8 // payload type of the sender to place in turns
	turns   []turn     // turns[0] drops
	minder  minder     // who decodes, if anyone
	relayed bool       // sound is handed on
	bare    bool       // without RTCP and ZRTP

	landing atomic.Pointer[landing] // before the first packet
	lessons atomic.Pointer[lessons] // likewise, while the old path still carries
	muted   atomic.Bool
	source  *atomic.Pointer[Run] // of the run of packets that are handed on
}

// turn is what is done with one format.
type turn struct {
	format *codec.Format // relay: as what the other party gets it
	clock  uint32        // of the sender
	worker Sink          // instead: decoded and made anew
}

// rare decodes what a party may send beside what is handed on. Most never do, and
// a codec's memory is more than all else of a call: it is made for the first such
// packet. Packets come one at a time.
type rare struct {
	make   func() (Sink, error)
	asked  bool
	worker Sink // nil: not yet, or it cannot be made
}

// Deliver makes the worker, once, and gives it the packet.
func (r *rare) Deliver(p *Packet) {
	if !r.asked {
		r.asked = true
		r.worker, _ = r.make() // nothing to decode it with: it is left out
	}
	if r.worker != nil {
		r.worker.Deliver(p)
	}
}

func (r *rare) mind(p *Packet) {
	if m, ok := r.worker.(minder); ok {
		m.mind(p)
	}
}

// minder is told of events, which have a place in the sequence of the sound
// that it decodes.
type minder interface{ mind(*Packet) }

// skipper is told of packets that are left out.
type skipper interface{ skip(*Packet) }

func (r *RTP) skip(p *Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally()
	r.line.skip(p)
	r.groundIfMoved()
}

// Direct gives the flow that packets are handed on to as they are; nil where they are
// not.
func (p *path) Direct() Flow {
	if !p.relayed {
		return nil
	}
	return p.to
}

func newPath(to Flow) *path {
	p := &path{to: to, turns: make([]turn, 1), source: new(atomic.Pointer[Run])}
	p.skip, _ = to.(skipper)
	p.cut()
	return p
}

// lasting is a flow whose packets are one run whatever path they take: two
// that are joined again hear no splice.
type lasting interface {
	run() *atomic.Pointer[Run]
}

func (r *RTP) run() *atomic.Pointer[Run] { return &r.source }

// leave makes the path one of a flow.
func (p *path) leave(from Flow) {
	if l, ok := from.(lasting); ok {
		p.source = l.run()
	}
}

// cut makes the next packet a splice.
func (p *path) cut() { p.source.Store(new(Run)) }

// Deliver carries a packet.
func (p *path) Deliver(pkt *Packet) {
	if pkt.Format != nil && p.landing.Load() != nil && p.land(pkt) {
		return
	}
	if pkt.Format == nil { // RTCP, ZRTP, STUN
		if p.relayed && !p.bare && p.landing.Load() == nil {
			p.to.Deliver(pkt)
		}
		return
	}
	if p.muted.Load() {
		return
	}
	if pkt.Type == Event && p.minder != nil {
		p.minder.mind(pkt)
	}
	t := &p.turns[p.index[pkt.Format.PT&127]]
	switch {
	case t.worker != nil:
		if l := p.lessons.Load(); l != nil {
			p.learn(l, pkt)
			return
		}
		t.worker.Deliver(pkt)
	case t.format == nil:
		if p.relayed && p.skip != nil {
			pkt.Source = p.source.Load()
			p.skip.skip(pkt)
		}
	default:
		if pkt.Type == Event {
			p.event(pkt, t)
		}
		pkt.Format, pkt.Source = t.format, p.source.Load()
		p.to.Deliver(pkt)
	}
}

// event fits a telephone event to the other party's clock.
func (p *path) event(pkt *Packet, t *turn) {
	pkt.passed = true
	pkt.aside = !p.relayed
	if t.clock == t.format.Clock {
		return
	}
	pkt.retimed = true
	e, err := rtp.ParseEvent(pkt.Payload)
	if err != nil {
		return
	}
	e.Duration = uint16(min(uint64(e.Duration)*uint64(t.format.Clock)/uint64(t.clock), 0xffff))
	e.Put(pkt.Payload)
}

func (p *path) set(f codec.Format, t turn) {
	p.turns = append(p.turns, t)
	p.index[f.PT&127] = uint8(len(p.turns) - 1)
}
