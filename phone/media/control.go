package media

import (
	"encoding/binary"
	"time"

	"tincan/phone/media/rtp"
)

// reportEvery is the interval of reports made here (RFC 3550 6.2).
const reportEvery = 5 * time.Second

// reports is what is said and heard by RTCP. The owner's lock guards it.
type reports struct {
	own   bool // made here, because no party's own come through
	cname string
	last  time.Duration // own report sent

	// The last sender report to the party, and from it.
	sentMiddle, gotMiddle uint32
	sentAt, gotAt         time.Duration

	// What the party says of our line.
	rtt      time.Duration
	lost     int32
	fraction uint8
	jitter   uint32 // ticks
}

// read keeps what the party's reports say of the line that it hears.
func (s *reports) read(c rtp.Compound, l *line, now time.Duration) {
	c.Visit(&rtp.Visitor{
		Info: func(i rtp.SenderInfo) { s.gotMiddle, s.gotAt = i.Middle(), now },
		Block: func(b rtp.Block) {
			if !l.started || b.SSRC() != l.ssrc {
				return
			}
			s.lost, s.fraction, s.jitter = b.Lost(), b.Fraction(), b.Jitter()
			if last := b.LastReport(); last != 0 && last == s.sentMiddle {
				s.rtt = max(now-s.sentAt-b.Delay(), 0)
			}
		},
	})
}

// sendControl relays RTCP, translated to the numbers that the party knows.
func (r *RTP) sendControl(p *Packet) {
	c, err := rtp.ParseControl(p.datagram)
	if err != nil || p.origin == nil {
		return
	}
	if r.line.rewriting || p.origin.rewriting {
		c = translate(c, &r.line, p.origin)
	}
	c.Visit(&rtp.Visitor{Info: func(i rtp.SenderInfo) {
		r.reports.sentMiddle, r.reports.sentAt = i.Middle(), p.Arrival
	}})
	if len(c) > 0 {
		r.writeControl(c)
	}
}

// translate rewrites in place. What the sender says of itself is told in the
// numbers of the line that its listener hears; what it says of what it hears,
// in those of the source at the other end of its own line.
func translate(c rtp.Compound, listener, sender *line) rtp.Compound {
	ofSelf := false
	c = c.WithoutExtended()
	c.Visit(&rtp.Visitor{
		Sender: func(b []byte) {
			ssrc := binary.BigEndian.Uint32(b)
			if ofSelf = listener.rewriting && ssrc == listener.from; ofSelf {
				binary.BigEndian.PutUint32(b, listener.ssrc)
			}
		},
		Target: func(b []byte) {
			if sender.hears(binary.BigEndian.Uint32(b)) {
				binary.BigEndian.PutUint32(b, sender.from)
			}
		},
		Info: func(i rtp.SenderInfo) {
			if ofSelf {
				i.SetTime(i.Time() + listener.timeOff)
			}
		},
		Block: func(b rtp.Block) {
			if sender.hears(b.SSRC()) {
				b.SetSSRC(sender.from)
				b.SetHighest(b.Highest() - uint32(int32(int16(sender.seqOff))))
			}
		},
		Seq: func(target, seq []byte) {
			if sender.hears(binary.BigEndian.Uint32(target)) {
				binary.BigEndian.PutUint16(seq, binary.BigEndian.Uint16(seq)-sender.seqOff)
			}
		},
	})
	return c
}

// hears tells whether an SSRC is the one that the line gives to its source.
func (l *line) hears(ssrc uint32) bool { return l.rewriting && ssrc == l.ssrc }

// originate sends reports of our own when they are due.
func (r *RTP) originate(now time.Duration) {
	if !r.reports.own || r.closed || now-r.reports.last < reportEvery || !r.latch.closed && !r.line.started {
		return
	}
	r.reports.last = now
	report := rtp.Report{SSRC: r.line.ssrc, CNAME: r.reports.cname, Received: r.rx.report()}
	if r.out.Packets > 0 {
		at := r.engine.epoch.Add(now)
		report.Sent = rtp.Sent{
			At: at, Time: r.line.now(now),
			Packets: uint32(r.out.Packets), Octets: uint32(r.out.Octets),
		}
		r.reports.sentMiddle, r.reports.sentAt = uint32(rtp.NTP(at)>>16), now
	}
	if report.Received != nil && r.reports.gotMiddle != 0 {
		report.Received.LastReport = r.reports.gotMiddle
		report.Received.Delay = now - r.reports.gotAt
	}
	r.writeControl(report.Append(nil))
}
