package media

import (
	"math/rand/v2"
	"time"

	"tincan/phone/media/rtp"
)

// line is the one unbroken stream that a party hears: its SSRC, and where
// sequence and time have come to. Each packet is given its place on the line.
//
//	transparent   the source's own header, untouched
//	   | first splice: another source, a hold, an application, a digit of ours
//	   v
//	rewriting     SSRC kept; seq = source + seqOff; time = source + timeOff
//
// At a splice the sequence goes on by one and the time by what passed on the
// clock, at least one packet. The owner's lock guards it.
type line struct {
	started   bool
	rewriting bool
	pinned    bool // never rewrite what came as RTP

	source  *Run   // of the packets now; nil: the next is a splice
	from    uint32 // SSRC that the source uses
	ssrc    uint32 // SSRC that the party hears
	seqOff  uint16
	timeOff uint32

	// The foremost packet sent.
	seq   uint16
	time  uint32
	clock uint32
	at    time.Duration // when its media time was first sent
	step  uint32        // ticks between packets, or those that the foremost lasts

	base   uint16 // first sequence number after the splice
	young  uint8  // packets since the splice, up to youngUntil
	marker bool   // the next packet begins a talkspurt

	event    uint32 // time of the source's event that is being sent
	eventOut uint32 // and the line's time for it

	// adopted means that the offsets are those of an earlier process: a
	// packet of SSRC from is no splice, whatever its Source.
	adopted bool
}

// youngUntil is for how many packets after a splice a straggler from before it
// is recognised: one second of sound.
const youngUntil = 50

// place gives the header for p, or false when p is a straggler.
func (l *line) place(p *Packet) (rtp.Header, bool) {
	if l.changed(p) {
		l.splice(p)
	}
	h := p.header(p.Format.PT)
	h.SSRC = l.ssrc
	h.Time = p.Time + l.timeOff
	h.Seq = l.seq + 1
	if p.datagram != nil {
		h.Seq = p.seq + l.seqOff
	}
	if l.rewriting && l.young < youngUntil && int16(h.Seq-l.base) < 0 {
		return h, false
	}
	h.Marker = h.Marker || l.marker
	l.note(h, p.Format.Clock, p.Arrival)
	if p.lasts > 0 && h.Seq == l.seq {
		l.step = p.lasts // the last before a splice may be shorter than those before it
	}
	return h, true
}

func (l *line) changed(p *Packet) bool {
	if !l.started {
		return true
	}
	if l.adopted {
		l.adopted = false
		if p.datagram != nil && p.ssrc == l.from {
			l.source = p.Source
			l.seq, l.time, l.at = p.seq+l.seqOff-1, p.Time+l.timeOff, p.Arrival
			return false
		}
	}
	return p.Source != l.source || p.ssrc != l.from
}

// splice begins a source.
func (l *line) splice(p *Packet) {
	transparent := p.datagram != nil && (l.pinned || !l.started)
	switch {
	case transparent:
		l.started, l.rewriting = true, false
		l.ssrc, l.seqOff, l.timeOff = p.ssrc, 0, 0
		l.seq, l.time, l.clock, l.at = p.seq-1, p.Time, p.Format.Clock, p.Arrival
	default:
		l.begin(p.Format.Clock, p.Arrival)
		l.rewriting, l.marker = true, true
		l.timeOff = l.next(p.Arrival, p.Format.Clock) - p.Time
		l.seqOff = l.seq + 1 - p.seq
	}
	l.source, l.from = p.Source, p.ssrc
	l.base, l.young = l.seq+1, 0
}

// begin starts the line at random numbers (RFC 3550 5.1) if it has not begun.
func (l *line) begin(clock uint32, now time.Duration) {
	if l.started {
		return
	}
	l.started, l.rewriting = true, true
	l.ssrc, l.seq, l.time = rand.Uint32(), uint16(rand.Uint32()), rand.Uint32()
	l.clock, l.at = clock, now
}

// next gives the time for media that begins now on a clock: as much later than
// the last as has passed (when the clock changes too, RFC 7160 4.1), and not
// before the last packet has been played. What comes up to a tick and a half late
// follows without a hole: it is the same sound by another way, of which the first packet
// just missed a tick. The party's jitter buffer takes it for a late packet.
func (l *line) next(now time.Duration, clock uint32) uint32 {
	step := l.step
	if clock != l.clock || step == 0 {
		step = clock / packetsPerSecond
	}
	passed := ticks(now-l.at, clock)
	if passed <= step+ticks(tickEvery*3/2, clock) {
		passed = step
	}
	return l.time + passed
}

// packetsPerSecond is the packet rate taken for granted until it is known.
const packetsPerSecond = 50

// note keeps the foremost packet.
func (l *line) note(h rtp.Header, clock uint32, now time.Duration) {
	l.marker = false
	if l.young < youngUntil {
		l.young++
	}
	if int16(h.Seq-l.seq) <= 0 {
		return
	}
	l.seq = h.Seq
	if h.Time == l.time && clock == l.clock {
		return
	}
	if d := h.Time - l.time; clock == l.clock && d <= clock/5 { // 200 ms: longer is silence
		l.step = d
	}
	l.time, l.clock, l.at = h.Time, clock, now
}

// skip leaves out a packet of the source without leaving a hole in the
// sequence, which would look like loss.
func (l *line) skip(p *Packet) {
	if !l.started || p.datagram == nil || l.pinned || l.changed(p) {
		return
	}
	l.seqOff--
	l.rewriting = true
}

// insert makes room for a packet of our own on a line that has begun.
func (l *line) insert() uint16 {
	l.rewriting = true
	l.seqOff++
	return l.seq + 1
}

// placeEvent gives the header for a telephone event of p's sender. An event of
// a relayed stream has its place there; one beside sound that is made here, or
// of another clock, is put in where the line has come to.
func (l *line) placeEvent(p *Packet) (rtp.Header, bool) {
	if p.datagram != nil && (l.pinned || !p.aside && !p.retimed) {
		return l.place(p)
	}
	h := p.header(p.Format.PT)
	inSequence := !p.aside && p.datagram != nil
	if inSequence && l.changed(p) {
		l.splice(p)
	}
	l.begin(p.Format.Clock, p.Arrival)
	if p.Marker || p.Time != l.event {
		l.event, l.eventOut = p.Time, l.next(p.Arrival, p.Format.Clock)
	}
	h.SSRC, h.Time = l.ssrc, l.eventOut
	if inSequence {
		h.Seq = p.seq + l.seqOff
	} else {
		h.Seq = l.insert()
	}
	l.note(h, p.Format.Clock, p.Arrival)
	return h, true
}

// now gives the line's time at an instant, for a sender report.
func (l *line) now(now time.Duration) uint32 { return l.time + ticks(now-l.at, l.clock) }

// ticks converts; it does not overflow in a century, and wraps as RTP time
// does.
func ticks(d time.Duration, clock uint32) uint32 {
	d = max(d, 0)
	seconds, rest := uint64(d/time.Second), uint64(d%time.Second)
	return uint32(seconds*uint64(clock) + rest*uint64(clock)/uint64(time.Second))
}

// span is the reverse of ticks.
func span(ticks, clock uint32) time.Duration {
	if clock == 0 {
		return 0
	}
	return time.Duration(ticks) * time.Second / time.Duration(clock)
}
