package media

import "sync"

// Bridge carries media between two flows by the cheapest way that serves, and
// changes the way without a click. Its methods may be called by any goroutine.
//
//	      paths[0]
//	flow 0 ----------> flow 1        in WayMix both paths end in the mixer
//	flow 1 ----------> flow 0
//	      paths[1]
type Bridge struct {
	mu     sync.Mutex // guards what follows
	flows  [2]Flow
	terms  [2]Terms
	paths  [2]*path
	muted  [2]bool
	need   Way
	way    Way
	err    error
	mixer  *Mixer
	closed bool

	// What hears and speaks to each flow outlives a change of way. An ear that
	// is nil was never needed.
	ears   [2]*ear
	mouths [2]*mouth
	seats  [2]*Seat // in the mixer
	users  int      // who need a mix: taps, sources
	ended  []func() // to be told when the lock is given back
}

// unlock ends a change.
func (b *Bridge) unlock() {
	ended := b.ended
	b.ended = nil
	b.mu.Unlock()
	for _, f := range ended {
		f()
	}
}

// bridged is what an RTP flow is told by its bridge.
type bridged interface {
	carried(way Way, relayed bool)
	spoken(presser)
	mute(bool)
}

// adopter is a flow that takes the other's terms for its own: an echo.
type adopter interface {
	adopt(Terms)
}

// hosted is a flow that belongs to an engine; a mix needs one.
type hosted interface {
	Engine() *Engine
}

// Join carries media between two flows from now on, until Close. When there is
// no way, Way is WayNone and Err says why; Reconfigured tries again.
func Join(a, b Flow) *Bridge {
	bridge := &Bridge{flows: [2]Flow{a, b}}
	bridge.mu.Lock()
	defer bridge.unlock()
	bridge.arrange()
	return bridge
}

// Way tells how media is carried now: the dearer of both directions.
func (b *Bridge) Way() Way {
	way, _ := b.Carried()
	return way
}

// Err says why there is no way: ErrCannotBridge with both codecs, or nil.
func (b *Bridge) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Mixer gives the mixer that carries the bridge in WayMix, where a recorder or
// a prompt may be added; nil in other ways. It stays through a Reconfigured;
// Need may end it: ask again after that.
func (b *Bridge) Mixer() *Mixer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mixer
}

// Need sets the lowest way that is allowed: WayMix when a third must hear.
func (b *Bridge) Need(w Way) {
	b.mu.Lock()
	defer b.unlock()
	if b.need != w && !b.closed {
		b.need = w
		b.arrange()
	}
}

// Mute keeps what flow side (0 or 1) sends from the other, or lets it through
// again. Digits pressed meanwhile go to Events.Digit; RTCP goes on.
func (b *Bridge) Mute(side int, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.muted[side] == on || b.closed {
		return
	}
	b.muted[side] = on
	b.silence(side)
}

// Reconfigured takes new terms of either flow; call it after Configure.
func (b *Bridge) Reconfigured() {
	b.mu.Lock()
	defer b.unlock()
	if b.closed {
		return
	}
	if terms := b.settled(); !sameTerms(terms, b.terms) || b.err != nil {
		b.arrange()
	}
}

// Close unroutes both flows, which live on.
func (b *Bridge) Close() {
	b.mu.Lock()
	defer b.unlock()
	if b.closed {
		return
	}
	b.closed, b.way = true, WayNone
	b.take([2]*path{}, nil)
	for _, f := range b.flows {
		if r, ok := f.(bridged); ok {
			r.carried(WayNone, false)
			r.spoken(nil)
			r.mute(false)
		}
	}
}

// silence applies a side's mute to its path. What is heard after it is a
// splice.
func (b *Bridge) silence(side int) {
	if p := b.paths[side]; p != nil {
		p.cut()
		p.muted.Store(b.muted[side])
	}
	switch f := b.flows[side].(type) {
	case bridged:
		f.mute(b.muted[side])
	case pictured:
		if !b.muted[side] {
			f.WantPicture() // whoever sees it again has missed some
		}
	}
}

// pictured is a flow of pictures that is no RTP and can be asked for a whole one.
type pictured interface{ WantPicture() }
