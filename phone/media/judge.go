package media

import (
	"net/netip"
	"strings"
	"time"

	"tincan/phone/media/quality"
	"tincan/phone/media/rtp"
)

// judge is what a flow keeps for the account of its quality. The owner's lock guards
// it.
type judge struct {
	on     bool
	party  string
	told   netip.AddrPort
	since  time.Duration // judged, or bridged, from then on
	watch  quality.Watch
	before quality.Discarded // as it was when the party was last heard

	stranger  netip.AddrPort // an example of what is discarded
	unknownPT uint8
}

// Judge begins the account of quality: from now on the party should be heard.
// It is called so by people, and was told to send to an address.
func (r *RTP) Judge(party string, told netip.AddrPort) {
	now := r.engine.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judge.party, r.judge.told = party, told
	if !r.judge.on {
		r.judge.on, r.judge.since = true, now
	}
}

// Account tells how the party's sound has fared so far.
func (r *RTP) Account() quality.Account {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.judge.watch.Account()
	if d := r.refused(); d != (quality.Discarded{}) {
		a.Discarded = &d
	}
	return a
}

// refused counts what came and was not taken, by the flow and by what is before its
// ports. Called with mu held.
func (r *RTP) refused() quality.Discarded {
	d := r.discarded
	if s, ok := r.sock.(interface{ Strangers() uint64 }); ok {
		d.Strangers += s.Strangers()
	}
	return d
}

// assess is called once a second, with mu held.
func (r *RTP) assess(now time.Duration) []quality.Trouble {
	if !r.judge.on || r.closed {
		return nil
	}
	f := r.facts(now)
	return r.judge.watch.Look(&f, now)
}

// should tells whether the party ought to be sending to somebody who hears it.
// Called with mu held.
func (r *RTP) should() bool {
	return r.remote.Direction&SendOnly != 0 && !r.muted && !r.closed && !r.remote.Opaque // a fax pauses
}

// facts are what is known at a moment. Called with mu held.
func (r *RTP) facts(now time.Duration) quality.Facts {
	j := &r.judge
	if r.rx.packets > 0 && now-r.rx.at <= sweepEvery {
		j.before = r.discarded
	}
	f := quality.Facts{
		Party: j.party, Codec: r.sending.Name, Ptime: time.Duration(max(r.remote.Ptime, 20)) * time.Millisecond,
		Should: r.should() && r.route != nil, Since: max(j.since, r.expected), Pauses: r.pauses(),
		Received: r.rx.packets, Lost: r.rx.lost + r.rx.missing(), Runs: r.rx.runs, Jitter: milliseconds(span(r.rx.jitter>>4, r.rx.clock)),
		Heard: r.rx.at, Ever: r.rx.packets > 0, Sent: r.out.Packets,
		FarLoss: float64(r.reports.fraction) / 256, FarJitter: milliseconds(span(r.reports.jitter, r.line.clock)),
		FarAt: r.reports.blockAt, ReportedAt: r.reports.heardAt, RTT: r.reports.rtt, Reported: r.reports.metrics,
		Strangers: r.discarded.Strangers - j.before.Strangers, Stranger: j.stranger,
		Unknown: r.discarded.Unknown - j.before.Unknown, UnknownPT: j.unknownPT,
		Unread: r.discarded.Forged - j.before.Forged,
		Led:    r.latch.led, Told: j.told, Named: r.remote.RTP, Hosts: r.remote.Hosts,
	}
	if r.receiving != nil {
		f.Codec = r.receiving.Name
	}
	return f
}

// pauses tells whether it was agreed that nothing need come while nobody speaks: by
// comfort noise (RFC 3389), or DTX (RFC 7587 6.1).
func (r *RTP) pauses() bool {
	for i := range r.local {
		if r.local[i].Name == "cn" || strings.Contains(r.local[i].Fmtp, "usedtx=1") {
			return true
		}
	}
	return false
}

// extended keeps what an extended report says of the line that the party hears.
func (s *reports) extended(m rtp.Metrics) {
	k := &quality.Reported{
		Loss: m.Loss(), Discard: m.Discard(), Delay: m.RTT(), End: m.EndDelay(),
		BurstMS: int(m.Burst().Milliseconds()), BurstShare: m.BurstDensity(),
	}
	if rating, said := m.R(); said {
		k.R = rating
	}
	k.MOS, k.MOSTalk = m.MOS()
	s.metrics = k
}
