package media

import (
	"net/netip"
	"time"

	"tincan/phone/media/kernel"
	"tincan/phone/media/rtp"
)

// tally brings reception and line up to date with what the kernel carried, and
// forgets lifts that were stopped. Called with mu held, before anything that
// looks at either.
func (r *RTP) tally() {
	if l := r.lifts.up; l != nil {
		stopped := l.Stopped() // before the last count
		r.tallyUp(l)
		if stopped {
			r.lifts.up = nil
		}
	}
	if l := r.lifts.down; l != nil {
		stopped := l.Stopped()
		r.tallyDown(l)
		if stopped {
			r.lifts.down = nil
		}
	}
}

// since gives what was carried beyond what is counted already.
func (c *Count) since(now kernel.Counts) (packets, octets uint64) {
	packets, octets = now.Packets-c.Packets, now.Octets-c.Octets
	c.Packets, c.Octets = now.Packets, now.Octets
	return packets, octets
}

func (r *RTP) tallyUp(l *lift) {
	c := l.Counts()
	packets, octets := r.lifts.upSeen.since(c)
	if packets == 0 {
		return
	}
	at := l.moment(c)
	r.rx.carried(c, packets, octets, l.Stream.Clock, at)
	r.rx.runs += uint64(c.Runs - r.lifts.runsSeen)
	r.lifts.runsSeen = c.Runs
	r.heard, r.everGot = max(r.heard, at), true
	r.latch.heard = max(r.latch.heard, at)
	r.lifts.slipped = 0
}

// carried counts packets that the kernel counted. It does not know which were lost
// one after the other: each counts as alone.
func (r *reception) carried(c kernel.Counts, packets, octets uint64, clock uint32, at time.Duration) {
	if !r.started { // an earlier process heard the beginning
		r.started, r.base = true, c.Base+1
		r.highest, r.cycles = uint16(c.Base), c.Base&^0xffff
	}
	if int32(c.Highest-r.extended()) > 0 {
		r.highest, r.cycles = uint16(c.Highest), c.Highest&^0xffff
	}
	r.received += uint32(packets)
	r.packets += packets
	r.octets += octets
	r.at = at
	r.jitter, r.clock, r.transit = c.Jitter, clock, ticks(at, clock)-c.Time
}

func (r *RTP) tallyDown(l *lift) {
	c := l.Counts()
	packets, octets := r.lifts.downSeen.since(c)
	if packets == 0 {
		return
	}
	r.out.Packets += packets
	r.out.Octets += octets
	r.sending = l.format
	if seq := uint16(c.Highest) + l.Stream.SeqOff; int16(seq-r.line.seq) > 0 {
		r.line.seq, r.line.time, r.line.clock, r.line.at = seq, c.Time+l.Stream.TimeOff, l.Stream.Clock, l.moment(c)
		r.line.young = youngUntil
	}
}

// ground takes all of the flow back from the kernel. Called with mu held, as
// are the next.
func (r *RTP) ground() {
	r.groundUp()
	r.groundDown()
}

func (r *RTP) groundUp() {
	r.lifts.barred = false
	if r.lifts.up != nil {
		r.lifts.up.Stop()
		r.tally()
	}
}

func (r *RTP) groundDown() {
	if r.lifts.down != nil {
		r.lifts.down.Stop()
		r.tally()
	}
}

// groundIfMoved takes back what the party hears when something that was just
// sent has changed the line.
func (r *RTP) groundIfMoved() {
	l := r.lifts.down
	if l == nil {
		return
	}
	s, line := &l.Stream, &r.line
	if line.from != s.SSRC || line.ssrc != s.SSRCOut || line.seqOff != s.SeqOff || line.timeOff != s.TimeOff ||
		line.source != l.path.source.Load() {
		r.groundDown()
	}
}

// slip looks at a packet that came up though the party's stream is carried:
// from elsewhere, a jump, another SSRC; or each, when the kernel does not see
// them.
func (r *RTP) slip(h rtp.Header, moved bool) {
	if moved {
		r.ground()
	}
	l := r.lifts.up
	if l == nil {
		return
	}
	if !r.rx.follows(h) {
		r.groundUp()
		return
	}
	for _, p := range l.Stream.Payloads {
		if p.In == h.PT {
			r.lifts.slipped++
		}
	}
	if r.lifts.slipped > maxSlipped {
		r.groundUp()
		r.lifts.barred, r.lifts.slipped = true, 0
	}
}

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Unmap(), port) }
