package media

import (
	"errors"
	"log/slog"
	"slices"
)

// settled reads the terms, after those who adopt have adopted.
func (b *Bridge) settled() (terms [2]Terms) {
	for i, f := range b.flows {
		if a, ok := f.(adopter); ok {
			a.adopt(b.flows[1-i].Terms())
		}
	}
	return [2]Terms{b.flows[0].Terms(), b.flows[1].Terms()}
}

// arrange finds the way and takes it.
func (b *Bridge) arrange() {
	b.terms = b.settled()
	var (
		paths [2]*path
		mixer *Mixer
		way   Way
	)
	if b.least() == WayMix {
		paths, mixer, b.err = b.mixed()
		way = WayMix
	} else {
		paths, way, b.err = b.direct()
	}
	if b.err != nil {
		way = WayNone
	}
	b.way = way
	b.take(paths, mixer)
	for i, f := range b.flows {
		if r, ok := f.(bridged); ok {
			r.carried(b.way, b.way == WayRelay && b.speaksRTP(1-i))
			r.spoken(b.presser(i))
		}
		if m := b.mouths[i]; m != nil {
			m.tell(b.ears[i].far())
		}
	}
}

// presser is who can say keys to flow i as tones; nil: nobody who encodes.
func (b *Bridge) presser(i int) presser {
	if m := b.mouths[i]; m != nil {
		return m
	}
	if s, ok := b.flows[1-i].(*Seat); ok {
		return s
	}
	return nil
}

func (b *Bridge) speaksRTP(side int) bool {
	_, ok := b.flows[side].(bridged)
	return ok
}

// direct plans relay or transcoding, each direction by itself.
func (b *Bridge) direct() (paths [2]*path, way Way, err error) {
	for i := range paths {
		p, w, e := b.plan(i, b.leastFor(i))
		if e != nil && b.leastFor(i) > b.need {
			b.refuse(e)
			p, w, e = b.plan(i, b.need)
		}
		paths[i], way, err = p, max(way, w), errors.Join(err, e)
	}
	if err != nil {
		return [2]*path{}, WayNone, err
	}
	if way > WayRelay { // RTCP and the rest of what the ends say pass both ways or not at all
		paths[0].bare, paths[1].bare = true, true
	}
	if b.meetsMix() {
		way = max(way, WayMix)
	}
	return paths, way, nil
}

// plan plans the path of what flow i says.
func (b *Bridge) plan(i int, need Way) (*path, Way, error) {
	by := workers{now: func() (Sink, error) { return b.transcoder(i) }}
	if b.speaksRTP(i) { // whose packets come with no lock held
		by.later = func() (Sink, error) { return b.later(i) }
	}
	return plan(b.terms[i], b.terms[1-i], b.flows[1-i], need, by)
}

// refuse says that sound is handed on though something was to be done to it.
func (b *Bridge) refuse(why error) {
	if log := b.logger(); log != nil {
		log.Warn("media: a party's keys are not looked for in its sound, nor is the sound cleaned: it cannot be decoded", "error", why)
	}
}

// meetsMix tells that one of the flows is a place in a mix.
func (b *Bridge) meetsMix() bool {
	return slices.ContainsFunc(b.flows[:], func(f Flow) bool {
		_, ok := f.(interface{ mixes() })
		return ok
	})
}

// transcoder carries what flow i says.
func (b *Bridge) transcoder(i int) (Sink, error) {
	e, err := b.earOf(i)
	if err != nil {
		return nil, err
	}
	m, err := b.mouthOf(1 - i)
	if err != nil {
		return nil, err
	}
	return &transcoder{ear: e, mouth: m}, nil
}

// later is transcoder for a path that was planned without.
func (b *Bridge) later(i int) (Sink, error) {
	b.mu.Lock()
	defer b.unlock()
	if b.closed || b.paths[i] == nil || !b.paths[i].relayed {
		return nil, errors.New("media: the packet is of a way that was left")
	}
	t, err := b.transcoder(i)
	if r, ok := b.flows[1-i].(bridged); ok && err == nil {
		r.spoken(b.presser(1 - i))
	}
	return t, err
}

// earOf gives the ear for a flow, the old one if that serves.
func (b *Bridge) earOf(i int) (*ear, error) {
	rate := mixRate(b.terms)
	if e := b.ears[i]; e != nil && e.serves(b.terms[i]) {
		e.retune(rate)
		return e, nil
	}
	e, err := newEar(b.terms[i], rate, b.logger())
	b.ears[i] = e
	return e, err
}

// mouthOf gives the mouth for a flow, the old one if that serves.
func (b *Bridge) mouthOf(i int) (*mouth, error) {
	t := b.terms[i]
	f, _ := firstSound(t.Accepts)
	if m := b.mouths[i]; m != nil && m.format == f && sameNoise(m.noise, noiseOf(f, t.Accepts)) && m.voice.ptime == t.Ptime && m.voice.rate == mixRate(b.terms) {
		return m, nil
	}
	m, err := newMouth(b.flows[i], t, mixRate(b.terms))
	b.mouths[i] = m
	return m, err
}

// mixed seats both flows in the mixer.
func (b *Bridge) mixed() (paths [2]*path, mixer *Mixer, err error) {
	engine := b.engine()
	if engine == nil {
		return paths, nil, errors.New("media: a mix needs a flow of an engine")
	}
	if mixer = b.mixer; mixer == nil {
		mixer = NewMixer(engine, MixerConfig{Rate: mixRate(b.terms)})
		b.seats = [2]*Seat{mixer.newSeat(SeatOptions{Side: 0}), mixer.newSeat(SeatOptions{Side: 1})}
	}
	mixer.tune(mixRate(b.terms))
	for i, seat := range b.seats {
		err = errors.Join(err, b.seat(mixer, i))
		paths[i] = planMix(b.terms[i], b.terms[1-i], b.flows[1-i], seat)
		b.seats[1-i].carrier.Store(paths[i])
	}
	if err != nil {
		b.ended = append(b.ended, mixer.close()...)
		return [2]*path{}, nil, errors.Join(ErrCannotBridge, err)
	}
	return paths, mixer, nil
}

// seat gives a flow its place in the mix.
func (b *Bridge) seat(mixer *Mixer, i int) error {
	var (
		e   *ear
		m   *mouth
		err error
	)
	if _, speaks := firstSound(b.terms[i].Sends); speaks {
		if e, err = b.earOf(i); err != nil {
			return err
		}
		if b.way != WayMix {
			e.byClock()
		}
	}
	if _, listens := firstSound(b.terms[i].Accepts); listens {
		if m, err = b.mouthOf(i); err != nil {
			return err
		}
	}
	mixer.place(b.seats[i], e, m)
	return nil
}

func (b *Bridge) logger() *slog.Logger {
	if e := b.engine(); e != nil {
		return e.log
	}
	return nil
}

func (b *Bridge) engine() *Engine {
	for _, f := range b.flows {
		if h, ok := f.(hosted); ok && h.Engine() != nil {
			return h.Engine()
		}
	}
	return nil
}

// take changes over: the old mixer falls silent before new paths speak.
func (b *Bridge) take(paths [2]*path, mixer *Mixer) {
	if b.mixer != nil && b.mixer != mixer {
		b.ended = append(b.ended, b.mixer.close()...)
	}
	before := b.paths
	b.mixer, b.paths = mixer, paths
	for i := range b.flows {
		if paths[i] == nil {
			b.flows[i].Route(nil)
			continue
		}
		b.change(i, before[i], paths[i])
		paths[i].leave(b.flows[i])
		paths[i].muted.Store(b.muted[i])
		b.flows[i].Route(paths[i])
	}
}

// change keeps what flow i says in one piece where it goes from being decoded
// to being handed on, or back.
func (b *Bridge) change(i int, from, to *path) {
	e, m := b.ears[i], b.mouths[1-i]
	if from == nil || e == nil {
		return
	}
	switch pending := from.landing.Load(); {
	case to.relayed && !from.relayed && m != nil:
		to.landing.Store(b.landing(i))
	case to.relayed && pending != nil:
		to.landing.Store(pending)
	case !to.relayed && from.relayed && pending == nil:
		e.anew()
		if m != nil && (remembers(e.sends[0]) || remembers(m.format)) {
			to.lessons.Store(newLessons(from, e, m))
		}
	}
}

// landing is what must be said before what flow i says is handed on again. Where the
// codec has a memory, and is still the one of both, that may wait for a pause.
func (b *Bridge) landing(i int) *landing {
	l := &landing{ear: b.ears[i], mouth: b.mouths[1-i]}
	f, _ := firstSound(b.terms[1-i].Accepts)
	l.waits = remembers(f) && l.mouth.format == f && l.ear.serves(b.terms[i])
	return l
}

func sameTerms(a, b [2]Terms) bool {
	return slices.EqualFunc(a[:], b[:], func(a, b Terms) bool {
		return a.Kind == b.Kind && a.Ptime == b.Ptime && a.Pinned == b.Pinned && (a.keys == nil) == (b.keys == nil) &&
			a.Clean == b.Clean &&
			slices.Equal(a.Sends, b.Sends) && slices.Equal(a.Accepts, b.Accepts)
	})
}
