package media

import (
	"encoding/binary"
	"time"

	"tincan/phone/media/quality"
	"tincan/phone/media/rtp"
)

// reportEvery is the interval of reports made here (RFC 3550 6.2).
const reportEvery = 5 * time.Second

// sentReport is a sender report that the party may name.
type sentReport struct {
	middle uint32
	at     time.Duration
}

// sentKept is how many sender reports are remembered.
const sentKept = 4

// noteSent remembers a sender report.
func (s *reports) noteSent(middle uint32, at time.Duration) {
	s.sent[s.sentNext%sentKept] = sentReport{middle, at}
	s.sentNext++
}

// reports is what is said and heard by RTCP. The owner's lock guards it.
type reports struct {
	own   bool // made here, because no party's own come through
	cname string
	last  time.Duration // own report sent

	// The last sender report from the party, and those to it: parties that report at
	// the same moments name the one before the last.
	gotMiddle uint32
	gotAt     time.Duration
	sent      [sentKept]sentReport
	sentNext  uint8

	// What the party says of our line.
	rtt      time.Duration
	lost     int32
	fraction uint8
	jitter   uint32 // ticks
	// When it said so, and when it reported at all; 0: never.
	blockAt, heardAt time.Duration
	metrics          *quality.Reported // nil: it sends none
}

// read keeps what the party's reports say of the line that it hears.
func (s *reports) read(c rtp.Compound, l *line, now time.Duration) {
	s.heardAt = now
	c.Visit(&rtp.Visitor{
		Metrics: func(m rtp.Metrics) {
			if l.started && m.SSRC() == l.ssrc {
				s.extended(m)
			}
		},
		Info: func(i rtp.SenderInfo) { s.gotMiddle, s.gotAt = i.Middle(), now },
		Block: func(b rtp.Block) {
			if !l.started || b.SSRC() != l.ssrc {
				return
			}
			s.lost, s.fraction, s.jitter, s.blockAt = b.Lost(), b.Fraction(), b.Jitter(), now
			for _, r := range s.sent {
				if last := b.LastReport(); last != 0 && last == r.middle {
					s.rtt = max(now-r.at-b.Delay(), 0)
				}
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
	c.Visit(&rtp.Visitor{
		Info:    func(i rtp.SenderInfo) { r.reports.noteSent(i.Middle(), p.Arrival) },
		Picture: func() { r.picture = !r.remote.Asked },
	})
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

// wantPicture asks the party for a whole picture, since somebody sees it from now on
// who has seen none. Whoever misses one later asks for it himself. Called with mu
// held.
func (r *RTP) wantPicture() {
	if r.kind != Video || !r.rx.started || r.closed {
		return
	}
	r.picture = !r.remote.Asked
	r.writeControl(rtp.AppendPictureLoss(nil, r.line.ssrc, r.rx.ssrc))
}

// WantPicture asks the party for a whole picture, at the wish of one that sees it and has
// no RTCP.
func (r *RTP) WantPicture() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wantPicture()
}

// WantsPicture tells whether a packet is RTCP that asks for a whole picture.
func (p *Packet) WantsPicture() (asks bool) {
	if p.Type != Control {
		return false
	}
	if c, err := rtp.ParseControl(p.datagram); err == nil {
		c.Visit(&rtp.Visitor{Picture: func() { asks = true }})
	}
	return asks
}

// AskPicture is the party's wish to see a whole picture, which it said elsewhere than
// in its media: it goes the way of one that came by RTCP.
func (r *RTP) AskPicture() {
	r.arriving.Lock()
	defer r.arriving.Unlock()
	r.mu.Lock()
	sink, heard := r.route, r.line
	if r.kind != Video || !heard.started || r.closed || sink == nil {
		r.mu.Unlock()
		return
	}
	r.in = Packet{
		Arrival: r.engine.Now(), Type: Control, origin: &heard, datagram: rtp.AppendPictureLoss(nil, r.rx.ssrc, heard.ssrc),
	}
	r.mu.Unlock()
	sink.Deliver(&r.in)
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
		r.reports.noteSent(uint32(rtp.NTP(at)>>16), now)
	}
	if report.Received != nil && r.reports.gotMiddle != 0 {
		report.Received.LastReport = r.reports.gotMiddle
		report.Received.Delay = now - r.reports.gotAt
	}
	r.writeControl(report.Append(nil))
}
