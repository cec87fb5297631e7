package media

import (
	"net/netip"
	"time"

	"tincan/phone/media/secure"
)

// RTPState is what a restarted process needs so that the phone hears no jump.
// It goes through JSON. It changes at each splice; between splices it stays
// good, since it holds offsets.
type RTPState struct {
	Port      uint16         `json:"port"`
	Latched   netip.AddrPort `json:"latched,omitzero"`   // zero: nothing was heard yet
	Doubtful  bool           `json:"doubtful,omitempty"` // latched to a host that was not expected
	Signalled netip.AddrPort `json:"signalled,omitzero"` // for which the latch was opened
	Control   netip.AddrPort `json:"control,omitzero"`   // of RTCP
	Heard     uint32         `json:"heard"`              // SSRC of the party
	Line      LineState      `json:"line"`
	// Secure is the place of encrypted packets; nil in the clear.
	Secure *secure.Position `json:"secure,omitempty"`
}

// LineState is the line that the party hears.
type LineState struct {
	Started   bool      `json:"started"`
	Rewriting bool      `json:"rewriting"`
	Pinned    bool      `json:"pinned"`
	From      uint32    `json:"from"` // SSRC of the source
	SSRC      uint32    `json:"ssrc"` // SSRC that the party hears
	SeqOff    uint16    `json:"seqOffset"`
	TimeOff   uint32    `json:"timeOffset"`
	Seq       uint16    `json:"seq"`
	Time      uint32    `json:"time"`
	Clock     uint32    `json:"clock"`
	Step      uint32    `json:"step"` // ticks a packet
	At        time.Time `json:"at"`   // when Time was sent
}

// restoreMargin is added to the sequence number when an earlier process's is
// estimated: a jump ahead is a short loss, a step back a silence.
const restoreMargin = 50

// State gives what Restore needs.
func (r *RTP) State() RTPState {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally()
	l := &r.line
	s := RTPState{Port: r.port, Signalled: r.latch.signalled, Heard: r.rx.ssrc, Line: LineState{
		Started: l.started, Rewriting: l.rewriting, Pinned: l.pinned,
		From: l.from, SSRC: l.ssrc, SeqOff: l.seqOff, TimeOff: l.timeOff,
		Seq: l.seq, Time: l.time, Clock: l.clock, Step: l.step,
		At: r.engine.epoch.Add(l.at).Round(0),
	}}
	s.Secure = r.guard.position()
	if r.latch.closed {
		s.Latched, s.Doubtful = r.latch.to, r.latch.doubtful
	}
	if r.control.closed {
		s.Control = r.control.to
	}
	return s
}

// Restore goes on where State left off, in a new process. Configure may be
// called before or after.
func (r *RTP) Restore(s RTPState) {
	now := r.engine.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Latched.IsValid() {
		r.latch.to, r.latch.closed, r.latch.heard = s.Latched, true, now
		r.latch.doubtful = s.Doubtful
		r.latch.signalled, r.latch.leaving = s.Signalled, netip.AddrPort{}
		r.rx.ssrc = s.Heard
	}
	r.guard.restore(s.Secure)
	if s.Control.IsValid() {
		r.control.to, r.control.closed = s.Control, true
	}
	if !s.Line.Started {
		return
	}
	l := s.Line
	gone := max(time.Since(l.At), 0)
	r.line = line{
		started: true, adopted: true, rewriting: l.Rewriting, pinned: l.Pinned || r.line.pinned,
		from: l.From, ssrc: l.SSRC, seqOff: l.SeqOff, timeOff: l.TimeOff,
		clock: l.Clock, step: l.Step, at: now,
		time: l.Time + ticks(gone, l.Clock),
		seq:  l.Seq + packetsIn(gone, l) + restoreMargin,
	}
}

// packetsIn estimates how many packets the line had in a time.
func packetsIn(d time.Duration, l LineState) uint16 {
	step := l.Step
	if step == 0 {
		step = max(l.Clock/packetsPerSecond, 1)
	}
	return uint16(ticks(d, l.Clock) / step)
}
