package media

import (
	"net/netip"
	"time"

	"tincan/phone/media/kernel"
)

// Adopted goes on with the streams that the kernel carries for the flows that
// are there, and stops the rest: call it when all calls that stood are adopted.
func (e *Engine) Adopted() {
	if e.config.Kernel == nil {
		return
	}
	for _, r := range e.flows() {
		if st, ok := e.config.Kernel.Standing(r.Port()); ok {
			r.recall(st)
			e.lift(r)
		}
	}
	e.config.Kernel.Disown()
}

// recall takes over what the kernel knows of a stream that it carries: who the
// parties are and what the receiver hears. It is newer than what was written down,
// which may be from before the first packet.
func (r *RTP) recall(st kernel.Stream) {
	r.mu.Lock()
	p, _ := r.route.(*path)
	if !r.rx.started && !r.latch.led {
		r.latch.found(st.Remote, r.engine.Now())
		r.rx.ssrc = st.SSRC
	}
	r.mu.Unlock()
	if p == nil {
		return
	}
	to, ok := p.to.(*RTP)
	if !ok {
		return
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	if st.From == addrPort(to.bind, to.port) && (!to.line.started || to.line.adopted) && !to.latch.led {
		to.latch.found(st.To, r.engine.Now())
		to.line.recall(st, r.engine.Now())
	}
}

// recall makes the line what an earlier process had the kernel give the party.
func (l *line) recall(st kernel.Stream, now time.Duration) {
	*l = line{
		started: true, adopted: true, pinned: l.pinned,
		rewriting: l.rewriting || st.SSRCOut != st.SSRC || st.SeqOff != 0 || st.TimeOff != 0,
		from:      st.SSRC, ssrc: st.SSRCOut, seqOff: st.SeqOff, timeOff: st.TimeOff,
		seq: l.seq, time: l.time, clock: st.Clock, step: l.step, at: now,
	}
}

// found closes the latch to where an earlier process heard the party.
func (l *latch) found(at netip.AddrPort, now time.Duration) {
	l.to, l.closed, l.doubtful, l.heard, l.leaving = at, true, false, now, netip.AddrPort{}
}
