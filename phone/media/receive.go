package media

import (
	"net/netip"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// Readable takes one datagram from a socket and carries it to where it goes.
// Only readers call it.
func (r *RTP) Readable(control bool, buf []byte) {
	r.arriving.Lock()
	defer r.arriving.Unlock()
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	n, from, ok := r.sock.Recv(control, buf)
	if !ok {
		r.mu.Unlock()
		return
	}
	r.carry(control, buf[:n], from)
}

// carry takes a datagram to where it goes. Called with arriving and mu held; it
// gives mu back.
func (r *RTP) carry(control bool, b []byte, from netip.AddrPort) {
	now := r.engine.Now()
	moved, ok := r.take(control, b, from, now)
	sink, due := r.route, r.lifts.due && r.in.Type == Media
	if due {
		r.lifts.due = false
	}
	r.mu.Unlock()

	if moved && r.events.Latched != nil {
		r.events.Latched(from)
	}
	if !ok {
		return
	}
	if sink != nil {
		sink.Deliver(&r.in)
	}
	if r.in.Type == Event && !r.in.passed {
		r.press(now)
	}
	if due {
		r.engine.lift(r)
	}
}

// take reads a datagram into r.in. It is false for what goes no further, which
// it has counted.
func (r *RTP) take(control bool, b []byte, from netip.AddrPort, now time.Duration) (moved, ok bool) {
	r.in = Packet{Arrival: now, datagram: b}
	r.tally()
	r.latch.notice(from, now)
	if r.remote.Opaque {
		return r.takeRaw(control, from, now)
	}
	kind := rtp.Classify(b)
	switch {
	case kind == rtp.Control:
		return false, r.takeControl(control, b, from, now)
	case kind == rtp.Media && !control:
		return r.takeMedia(b, from, now)
	case (kind == rtp.ZRTP || kind == rtp.STUN) && !control:
		return false, r.takeOpaque(kind, from, now)
	case kind == rtp.DTLS && !control:
		return r.takeHandshake(b, from, now), false
	case kind == rtp.DTLS:
		r.takeHandshakeAside(b, from)
		return false, false
	}
	r.discarded.Malformed++
	return false, false
}

func (r *RTP) takeMedia(b []byte, from netip.AddrPort, now time.Duration) (moved, ok bool) {
	if r.guard.on {
		if b, ok = r.unseal(b); !ok {
			return false, false
		}
		r.in.datagram = b
	}
	h, payload, err := rtp.Parse(b)
	if err != nil {
		r.discarded.Malformed++
		return false, false
	}
	place := r.byPT[h.PT]
	if place == 0 {
		r.discarded.Unknown++
		r.judge.unknownPT = h.PT
		return false, false
	}
	ok, moved = r.admit(from, h, now)
	if !ok {
		r.discarded.Strangers++
		r.judge.stranger = from
		return false, false
	}
	f := &r.local[place-1]
	p := &r.in
	p.Format, p.Payload, p.Marker, p.Time = f, payload, h.Marker, h.Time
	p.seq, p.ssrc = h.Seq, h.SSRC
	if f.Name == codec.TelephoneEvent {
		p.Type = Event
	} else {
		r.receiving = f
	}
	r.slip(h, moved)
	r.rx.take(h, len(payload), f.Clock, now)
	if r.lifts.up != nil {
		r.lifts.up.Reached(r.rx.extended())
	}
	r.heard, r.everGot = now, true
	return moved, true
}

// admit asks the latch.
func (r *RTP) admit(from netip.AddrPort, h rtp.Header, now time.Duration) (ok, moved bool) {
	if from == r.latch.to && r.latch.closed { // the common case, without a closure
		r.latch.heard = now
		return true, false
	}
	if r.guard.on {
		return r.prove(from, h, now)
	}
	return r.latch.admit(from, now, func() bool { return r.rx.goesOn(h) })
}

// takeControl takes RTCP from the host that media comes from; from a port of
// its own, or from RTP's when multiplexed.
func (r *RTP) takeControl(control bool, b []byte, from netip.AddrPort, now time.Duration) (ok bool) {
	if r.guard.on {
		if b, ok = r.unsealControl(control, b); !ok {
			return false
		}
		r.in.datagram = b
	}
	c, err := rtp.ParseControl(b)
	if err != nil {
		r.discarded.Malformed++
		return false
	}
	known := from == r.latch.to
	if control {
		known = from == r.control.to || from.Addr() == r.latch.to.Addr()
	}
	known = known || r.latch.led
	if !known && !r.guard.on {
		r.discarded.Strangers++
		return false
	}
	if control && !r.latch.led {
		r.control.to, r.control.closed = from, true
	}
	r.heard, r.everGot = now, true
	r.reports.read(c, &r.line, now)
	r.fraction.Store(uint32(r.reports.fraction))
	heard := r.line
	r.in.Type, r.in.origin = Control, &heard
	return true
}

// takeOpaque lets through what the ends say to each other besides media, once
// it is known where they are.
func (r *RTP) takeOpaque(kind rtp.Kind, from netip.AddrPort, now time.Duration) bool {
	if from != r.latch.to && !r.latch.led {
		r.discarded.Strangers++
		return false
	}
	if kind == rtp.ZRTP {
		r.zrtpIn = true
		r.pin()
	}
	r.heard, r.everGot = now, true
	r.in.Type = Opaque
	return true
}

// takeRaw lets through what is not RTP. There is no sequence by which a party
// that moved could be told from a stranger: who was heard first stays.
func (r *RTP) takeRaw(control bool, from netip.AddrPort, now time.Duration) (moved, ok bool) {
	if !control {
		ok, moved = r.latch.admit(from, now, func() bool { return false })
	}
	if !ok {
		r.discarded.Strangers++
		return false, false
	}
	r.heard, r.everGot = now, true
	r.in.Type = Opaque
	return moved, true
}

// pin fixes the line as soon as ZRTP has passed both ways: from then on the
// ends authenticate headers.
func (r *RTP) pin() {
	if r.zrtpIn && r.zrtpOut && !r.line.rewriting {
		r.line.pinned = true
	}
}
