package media

import (
	"time"

	"tincan/phone/media/rtp"
)

// Bounds of RFC 3550 A.1.
const (
	maxDropout  = 3000 // a longer jump ahead is a restart, not a loss
	maxMisorder = 100  // an older packet than that is a restart, not a straggler
)

// reception counts what a party sends (RFC 3550 A.1, A.3, A.8). The owner's
// lock guards it.
type reception struct {
	started bool
	ssrc    uint32
	base    uint32 // extended as highest is
	highest uint16
	cycles  uint32 // of the sequence number, in the upper half
	clock   uint32

	received uint32        // since base
	at       time.Duration // the last packet's arrival
	transit  uint32
	jitter   uint32 // ticks, times 16

	// Of runs before the present one.
	packets, octets uint64
	lost            int64
	runs            uint64 // of losses, one packet after the other

	priorExpected, priorReceived uint32 // at the last report
}

// take counts a packet.
func (r *reception) take(h rtp.Header, octets int, clock uint32, now time.Duration) {
	if !r.follows(h) {
		r.restart(h, clock)
	} else if ahead := int16(h.Seq - r.highest); ahead > 0 {
		if ahead > 1 {
			r.runs++
		}
		if h.Seq < r.highest {
			r.cycles += 1 << 16
		}
		r.highest = h.Seq
	}
	r.received++
	r.at = now
	r.packets++
	r.octets += uint64(octets)
	r.spread(h, clock, now)
}

func (r *reception) follows(h rtp.Header) bool {
	ahead := int16(h.Seq - r.highest)
	return r.started && h.SSRC == r.ssrc && ahead < maxDropout && ahead > -maxMisorder
}

func (r *reception) restart(h rtp.Header, clock uint32) {
	r.lost += r.missing()
	r.started, r.ssrc = true, h.SSRC
	r.base, r.highest, r.cycles, r.received = uint32(h.Seq), h.Seq, 0, 0
	r.priorExpected, r.priorReceived = 0, 0
	r.jitter, r.clock, r.transit = 0, clock, 0
}

// spread updates the jitter. The first packet only sets the transit time.
func (r *reception) spread(h rtp.Header, clock uint32, now time.Duration) {
	transit := ticks(now, clock) - h.Time
	if r.received > 1 && clock == r.clock {
		d := int32(transit - r.transit)
		r.jitter += uint32(max(d, -d)) - (r.jitter+8)>>4
	}
	r.transit, r.clock = transit, clock
}

func (r *reception) expected() uint32 {
	if !r.started {
		return 0
	}
	return r.extended() - r.base + 1
}

func (r *reception) extended() uint32 { return r.cycles + uint32(r.highest) }

// missing is negative when there were duplicates.
func (r *reception) missing() int64 { return int64(r.expected()) - int64(r.received) }

// goesOn tells whether a header continues what was heard; of what an earlier
// process heard, the SSRC alone is known.
func (r *reception) goesOn(h rtp.Header) bool {
	if !r.started {
		return r.ssrc != 0 && h.SSRC == r.ssrc
	}
	ahead := int16(h.Seq - r.highest)
	return h.SSRC == r.ssrc && ahead > 0 && ahead < latchSteps
}

// report makes a report block and begins the next interval.
func (r *reception) report() *rtp.Received {
	if !r.started {
		return nil
	}
	expected, received := r.expected()-r.priorExpected, r.received-r.priorReceived
	r.priorExpected, r.priorReceived = r.expected(), r.received
	out := &rtp.Received{
		SSRC: r.ssrc, Lost: int32(r.missing()), Highest: r.extended(), Jitter: r.jitter >> 4,
	}
	if lost := int64(expected) - int64(received); lost > 0 && expected > 0 {
		out.Fraction = uint8(min(lost<<8/int64(expected), 255))
	}
	return out
}
