package media

import (
	"net/netip"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
	"tincan/phone/media/secure"
)

// sendRoom bounds a packet made here: a header and 60 ms of 16-bit sound at 48
// kHz with room to spare. It is more than fits the usual path unfragmented.
const sendRoom = 6 << 10

// Deliver sends a packet to the party, placed on the one line that it hears.
func (r *RTP) Deliver(p *Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	switch p.Type {
	case Control:
		r.sendControl(p)
	case Opaque:
		r.sendOpaque(p)
	default:
		r.tally()
		r.sendMedia(p)
		r.groundIfMoved()
	}
}

func (r *RTP) sendMedia(p *Packet) {
	// Two voices at once: a digit of ours goes before sound (RFC 4733 2.5.1).
	if r.remote.Direction&RecvOnly == 0 || r.digits.active {
		r.line.skip(p)
		return
	}
	place := r.line.place
	if p.Type == Event {
		place = r.line.placeEvent
	}
	if h, ok := place(p); ok {
		r.transmit(h, p)
	}
	if p.Type == Media && p.Format.Sound() {
		r.sending = *p.Format
	}
}

// transmit sends the datagram that came, with its header rewritten, or makes
// one.
func (r *RTP) transmit(h rtp.Header, p *Packet) {
	if p.datagram != nil {
		rtp.Rewrite(p.datagram, h)
		r.count(p, r.write(false, p.datagram, r.latch.to))
		return
	}
	if rtp.HeaderLen+len(p.Payload)+secure.Room > sendRoom {
		r.discarded.Unsent++
		return
	}
	buf := r.engine.scratch.Get().(*[]byte)
	rtp.Put(*buf, h)
	n := rtp.HeaderLen + copy((*buf)[rtp.HeaderLen:], p.Payload)
	r.count(p, r.write(false, (*buf)[:n], r.latch.to))
	r.engine.scratch.Put(buf)
}

func (r *RTP) count(p *Packet, sent bool) {
	if sent {
		r.out.Packets++
		r.out.Octets += uint64(len(p.Payload))
	}
}

// write sends RTP or RTCP, encrypted if that was agreed.
func (r *RTP) write(control bool, b []byte, to netip.AddrPort) bool {
	if r.guard.on {
		return r.sealed(control, b, to)
	}
	return r.put(control, b, to)
}

// put sends a datagram; what the kernel refuses is lost as on the way.
func (r *RTP) put(control bool, b []byte, to netip.AddrPort) bool {
	if !r.latch.led && !sendable(to) || r.sock.Send(control, b, to) != nil {
		r.discarded.Unsent++
		return false
	}
	return true
}

func (r *RTP) sendOpaque(p *Packet) {
	if r.remote.Opaque {
		r.put(false, p.datagram, r.latch.to)
		return
	}
	if !r.latch.closed {
		r.discarded.Unsent++
		return
	}
	if rtp.Classify(p.datagram) == rtp.ZRTP {
		r.zrtpOut = true
		r.pin()
	}
	r.put(false, p.datagram, r.latch.to)
}

// writeControl sends RTCP where the party takes it.
func (r *RTP) writeControl(b []byte) {
	if r.remote.Mux {
		r.write(false, b, r.latch.to)
		return
	}
	r.write(true, b, r.control.to)
}

// eventFormat gives the telephone-event that the party accepts, of the clock
// of its sound when there are several.
func (r *RTP) eventFormat() (codec.Format, bool) {
	f := eventFor(r.remote.Formats, soundClock(r.remote.Formats))
	if f == nil {
		return codec.Format{}, false
	}
	return *f, true
}

// eventFor finds the telephone-event of a clock, or any, or nil.
func eventFor(formats []codec.Format, clock uint32) (found *codec.Format) {
	for i := range formats {
		f := &formats[i]
		if f.Name == codec.TelephoneEvent && (found == nil || f.Clock == clock) {
			found = f
		}
	}
	return found
}

// soundClock gives the clock of the preferred sound.
func soundClock(formats []codec.Format) uint32 {
	for _, f := range formats {
		if f.Sound() {
			return f.Clock
		}
	}
	return 0
}
