package media

import (
	"slices"

	"tincan/phone/codec"
	"tincan/phone/media/kernel"
)

// offer is a direction that may be lifted.
type offer struct {
	path   *path
	to     *RTP
	stream kernel.Stream
	format codec.Format
}

func (o *offer) same(other *offer) bool {
	a, b := o.stream, other.stream
	return o.path == other.path && a.Port == b.Port && a.Local == b.Local && a.Remote == b.Remote &&
		a.From == b.From && a.To == b.To && a.SSRC == b.SSRC && a.SSRCOut == b.SSRCOut &&
		a.SeqOff == b.SeqOff && a.TimeOff == b.TimeOff && slices.Equal(a.Payloads, b.Payloads)
}

// offer gives the sender's part, or why there is none; both empty: there is no
// question of it.
func (r *RTP) offer() (*offer, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally()
	return r.offering()
}

// offering is offer with mu held.
func (r *RTP) offering() (*offer, string) {
	p, relayed := r.route.(*path)
	relayed = relayed && p.relayed && !p.bare && r.way == WayRelay
	if r.closed || !relayed || r.lifts.up != nil || r.remote.Opaque || r.muted || r.remote.Direction&SendOnly == 0 {
		return nil, ""
	}
	to, ok := p.to.(*RTP)
	switch {
	case !ok:
		return nil, ""
	case r.guard.on:
		return nil, whySecured
	case r.latch.led:
		return nil, whyLed
	case r.lifts.barred:
		return nil, whyUnseen
	case !r.latch.closed || r.latch.doubtful || r.rx.ssrc == 0 && !r.rx.started:
		return nil, whyUnheard
	case p.landing.Load() != nil:
		return nil, whyUnpaused
	case p.lessons.Load() != nil:
		return nil, whyUnsettle
	}
	o := &offer{path: p, to: to}
	o.stream = kernel.Stream{
		Port: r.port, Local: r.bind.Unmap(), Remote: r.latch.to, SSRC: r.rx.ssrc,
		Highest: r.rx.extended(), Jitter: r.rx.jitter, Standing: !r.rx.started,
	}
	if r.offerPayloads(o); len(o.stream.Payloads) == 0 {
		return nil, ""
	}
	return o, ""
}

// offerPayloads lists what the path hands on unchanged, of the clock of what
// the party sends now.
func (r *RTP) offerPayloads(o *offer) {
	now := r.receiving
	if first, ok := firstSound(r.local); now == nil && ok {
		now = &first
	}
	if now == nil && len(r.local) > 0 {
		now = &r.local[0]
	}
	if now == nil {
		return
	}
	o.stream.Clock = now.Clock
	for pt := range r.byPT {
		place := r.byPT[pt]
		if place == 0 {
			continue
		}
		f, t := &r.local[place-1], o.path.turns[o.path.index[pt]]
		if f.Name == codec.TelephoneEvent || f.Clock != now.Clock || t.format == nil || t.worker != nil {
			continue
		}
		o.stream.Payloads = append(o.stream.Payloads, kernel.Payload{In: f.PT, Out: t.format.PT})
		if f.PT == now.PT {
			o.format = *t.format
		}
	}
}

// accept adds the receiver's part, or tells why not.
func (r *RTP) accept(o *offer) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepting(o)
}

// accepting is accept with mu held.
func (r *RTP) accepting(o *offer) string {
	l := &r.line
	switch {
	case r.closed || r.remote.Direction&RecvOnly == 0:
		return whyDeaf
	case r.guard.on:
		return whySecured
	case r.latch.led:
		return whyLed
	case r.digits.active || len(r.digits.waiting) > 0:
		return whyBusy
	case !r.latch.closed || r.latch.doubtful:
		return whyUnheard
	case !l.started || !l.adopted && (l.from != o.stream.SSRC || l.source != o.path.source.Load()):
		return whyUnsettle
	case !l.adopted && l.rewriting && l.young < youngUntil: // stragglers from before the splice must not pass
		return whyUnsettle
	case l.adopted != o.stream.Standing:
		return whyUnsettle
	}
	o.stream.From = addrPort(r.bind, r.port)
	o.stream.To = r.latch.to
	o.stream.SSRCOut, o.stream.SeqOff, o.stream.TimeOff = l.ssrc, l.seqOff, l.timeOff
	return ""
}
