package media

import (
	"fmt"
	"slices"

	"tincan/phone/codec"
)

// plan makes the path from one flow to another that costs least, but not less
// than need, and tells its way. A format that the first does not serve may be
// handed on or decoded as it comes.
func plan(from, to Terms, flow Flow, need Way, by workers) (*path, Way, error) {
	p := newPath(flow)
	first, speaks := firstSound(from.Sends)
	best, listens := firstSound(to.Accepts)
	p.relayed = need <= WayRelay && (!speaks || !listens || sameIn(to.Accepts, first) != nil)
	handed := p.handOn(from, to, need)
	if !speaks || !listens {
		return p, WayRelay, nil
	}
	err := decodes(from, to)
	if err == nil && p.lacks(from) {
		var worker Sink
		if p.relayed && by.later != nil {
			worker = &rare{make: by.later}
		} else {
			worker, err = by.now()
		}
		if err == nil {
			p.work(from, worker)
		}
	}
	switch {
	case p.relayed:
		return p, WayRelay, nil
	case err == nil:
		return p, WayTranscode, nil
	case handed && need <= WayRelay: // what the party may send besides will do
		p.relayed = true
		return p, WayRelay, nil
	}
	return nil, WayNone, fmt.Errorf("%w: one party sends %v, the other takes %v: %w", ErrCannotBridge, first, best, err)
}

// workers make what decodes: at once, or, where most of the sound is handed on,
// for the first packet that must be; later may be nil.
type workers struct{ now, later func() (Sink, error) }

// planMix makes the path of a flow whose sound goes to a mixer; digits still
// pass to the other, when there is one.
func planMix(from, to Terms, flow Flow, worker Sink) *path {
	p := newPath(flow)
	if flow != nil {
		p.handOn(from, to, WayMix)
	}
	p.work(from, worker)
	return p
}

// handOn sets what needs no decoding, and tells whether there is sound in it.
func (p *path) handOn(from, to Terms, need Way) (sound bool) {
	for _, f := range from.Sends {
		var out *codec.Format
		switch {
		case f.Name == codec.TelephoneEvent:
			out = eventFor(to.Accepts, f.Clock)
		case need <= WayRelay && (f.Sound() || p.relayed):
			out = sameIn(to.Accepts, f)
		}
		if out != nil {
			copied := *out
			p.set(f, turn{format: &copied, clock: f.Clock})
			sound = sound || f.Sound()
		}
	}
	return sound
}

// work gives the sound that is not handed on to a worker.
func (p *path) work(from Terms, worker Sink) {
	p.minder, _ = worker.(minder)
	for _, f := range from.Sends {
		decoded := f.Sound() || f.Name == codec.ComfortNoise && !p.relayed
		if decoded && p.index[f.PT&127] == 0 {
			p.set(f, turn{worker: worker})
		}
	}
}

// lacks tells whether there is sound that is not handed on.
func (p *path) lacks(from Terms) bool {
	return slices.ContainsFunc(from.Sends, func(f codec.Format) bool {
		return f.Sound() && p.index[f.PT&127] == 0
	})
}

// decodes tells why transcoding is not allowed, or nil.
func decodes(from, to Terms) error {
	switch {
	case from.Kind != Audio || to.Kind != Audio:
		return fmt.Errorf("%v is not transcoded: agree on one codec", from.Kind)
	case from.Pinned && to.Pinned:
		return fmt.Errorf("the parties secure their media with each other")
	}
	return nil
}

// sameIn finds the same codec among formats, or nil.
func sameIn(formats []codec.Format, f codec.Format) *codec.Format {
	for i := range formats {
		if formats[i].Same(f) {
			return &formats[i]
		}
	}
	return nil
}
