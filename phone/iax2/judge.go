package iax2

import (
	"time"

	"tincan/phone/call"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
	"tincan/phone/media/quality"
)

// statistics tells the flow's quality now. Called with the session's lock held.
func (f *flow) statistics() media.Stats {
	now := f.engine.Now()
	f.mu.Lock()
	g := f.got
	f.mu.Unlock()
	s := media.Stats{
		Way: media.WayNone, Remote: f.x.path.peer, Latched: g.packets > 0,
		In:  media.Count{Packets: g.packets, Octets: g.octets},
		Out: media.Count{Packets: f.out.packets, Octets: f.out.octets}, Receiving: g.format, Sending: f.out.sending,
		Lost: int64(g.lost), Jitter: g.jitter, LastArrival: -1, RTT: f.x.rtt,
		FarLost: int64(g.far.Lost), FarLoss: float64(g.far.LossPercent) / 100, FarJitter: float64(g.far.Jitter),
		Discarded: quality.Discarded{Unknown: g.unknown},
	}
	if f.route.Load() != nil {
		s.Way = media.WayRelay
	}
	if g.packets > 0 {
		s.LastArrival = now - g.at
	}
	if f.x.keys != nil {
		s.Suite = "IAX2 AES-128"
	}
	return s
}

// report is what the peer is told of its sound (RFC 5456 8.6.38 to 8.6.43).
func (l *leg) report() *frame.Elements {
	f := l.flow
	f.mu.Lock()
	defer f.mu.Unlock()
	g := &f.got
	r := frame.Report{Jitter: uint32(g.jitter), Lost: uint32(g.lost), Frames: uint32(g.packets), Disordered: uint32(g.late)}
	if all := g.packets + g.lost; all > 0 {
		r.LossPercent = uint8(100 * g.lost / all)
	}
	return &frame.Elements{Report: frame.Some(r)}
}

// reported keeps what the peer says of what it hears.
func (f *flow) reported(r frame.Report) {
	now := f.engine.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got.far, f.got.farAt = r, now
}

// facts are what is known at a moment. Called with the session's lock held.
func (f *flow) facts() quality.Facts {
	f.mu.Lock()
	g := f.got
	f.mu.Unlock()
	q := quality.Facts{
		Party: f.judged, Codec: f.format.Name, Ptime: time.Duration(max(g.length, 20)) * time.Millisecond,
		Should: f.should(), Since: max(f.expected, f.routed),
		Received: g.packets, Lost: int64(g.lost), Runs: g.runs, Jitter: g.jitter, Heard: g.at, Ever: g.packets > 0,
		Sent: f.out.packets, FarLoss: float64(g.far.LossPercent) / 100, FarJitter: float64(g.far.Jitter),
		FarAt: g.farAt, ReportedAt: g.farAt, RTT: f.x.rtt, Unknown: g.unknown, Led: true,
	}
	if g.format.Name != "" {
		q.Codec = g.format.Name
	}
	return q
}

// should tells whether the peer ought to be sending to somebody who hears it.
func (f *flow) should() bool { return f.route.Load() != nil && !f.paused }

// assess is called once a second, with the session's lock held.
func (l *leg) assess() {
	f, now := l.flow, l.flow.engine.Now()
	if f.judged == "" || l.released {
		return
	}
	facts := f.facts()
	for _, t := range f.watch.Look(&facts, now) {
		l.post(call.Troubled{Leg: l, Trouble: t})
	}
	quiet := now - max(facts.Heard, facts.Since)
	if limit := l.x.s.cfg.Timeout; limit > 0 && !f.dead && facts.Should && quiet > limit {
		f.dead = true
		l.post(call.Silent{Leg: l})
	}
}

// FarLoss is the share of what it is sent that the peer misses, by its last report, for
// encoders.
func (f *flow) FarLoss() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return float64(f.got.far.LossPercent) / 100
}
