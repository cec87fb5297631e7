package media

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/kernel"
)

// Kernel carries streams in place of the process; *kernel.Relay does.
type Kernel interface {
	// Carry has the packets of a stream bypass the process, until Stop.
	Carry(kernel.Stream) (*kernel.Carried, error)
	// Standing gives what an earlier process left carried at a port.
	Standing(port uint16) (kernel.Stream, bool)
	// Disown stops what an earlier process left carried and this one did not ask
	// for.
	Disown()
	// Now is the clock of kernel.Counts.At.
	Now() time.Duration
}

// lift is one direction of a bridge that the kernel carries. Both flows know
// it, each under its own lock: the sender's side as up, the receiver's as down.
// Either stops it when something of its own changes, and the other finds it
// stopped.
//
//	once a second: offer (sender) ── accept (receiver) ──► due ── packet ──► Carry
//	any change of address, agreement, route, line, SSRC; a digit of ours: ground
//
// While it lasts, the fixed offsets of the line stand, and reception and line
// are brought up to date from the kernel's counts before anybody looks at them
// (tally).
type lift struct {
	*kernel.Carried
	path   *path
	format codec.Format  // that the receiver is sent
	epoch  time.Duration // what the kernel's clock shows at the engine's start
}

// moment gives the engine's time of the kernel's foremost packet.
func (l *lift) moment(c kernel.Counts) time.Duration { return time.Duration(c.At) - l.epoch }

// lifts is what the kernel carries of a flow. The flow's lock guards it.
type lifts struct {
	up, down         *lift // what the party says, and hears; nil: nothing
	upSeen, downSeen Count // of it, counted already
	runsSeen         uint32
	slipped          int   // packets that came up though they are carried
	barred           bool  // too many did
	due              bool  // it can be lifted, after the next packet
	why              string
}

// maxSlipped is how many packets of a carried stream may come up one after
// another, 5 s of sound, until it is taken for one that the kernel does not see.
const maxSlipped = 5 * packetsPerSecond

// Reasons for which a stream that is relayed is not carried by the kernel.
const (
	whyUnheard  = "a party has not been heard yet"
	whyUnsettle = "the stream has only begun"
	whyUnseen   = "its packets come by an interface that the kernel relay does not serve"
	whyBusy     = "a digit is being sent"
	whySecured  = "the media are encrypted"
	whyLed      = "the way to a party was found by ICE"
	whyDeaf     = "the other party does not listen"
)

// Carried tells the way, and why the kernel does not carry what is relayed;
// empty: it does, there is no question of it, or nobody wants to know.
func (b *Bridge) Carried() (way Way, why string) {
	b.mu.Lock()
	flows, way := b.flows, b.way
	b.mu.Unlock()
	if way != WayRelay {
		return way, ""
	}
	lifted := 0
	for _, f := range flows {
		r, ok := f.(*RTP)
		if !ok {
			return way, ""
		}
		s := r.Stats()
		switch {
		case s.Way == WayKernel:
			lifted++
		case s.NotKernel != "":
			return way, s.NotKernel
		case r.speaks():
			return way, ""
		}
	}
	if lifted > 0 {
		return WayKernel, ""
	}
	return way, ""
}

// speaks tells whether the party may send.
func (r *RTP) speaks() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remote.Direction&SendOnly != 0
}

// notKernel is Stats.NotKernel. Called with mu held.
func (r *RTP) notKernel() string {
	if r.way != WayRelay || r.lifts.up != nil {
		return ""
	}
	return r.lifts.why
}

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

// due finds what the kernel could carry. It is given to it after the party's
// next packet: then none waits in the socket that the ones after it would
// overtake.
func (e *Engine) due(flows []*RTP) {
	if e.config.Kernel == nil && e.config.NoKernel == "" {
		return
	}
	for _, r := range flows {
		if e.config.Kernel == nil {
			r.explain(e.config.NoKernel, false)
		} else if o, why := r.offer(); o != nil {
			why = o.to.accept(o)
			r.explain(why, why == "")
		} else if why != "" {
			r.explain(why, false)
		}
	}
}

// explain keeps why what the party says is not lifted yet, and whether it can be.
func (r *RTP) explain(why string, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lifts.due = due
	if !due || r.lifts.why == "" {
		r.lifts.why = cmp.Or(why, whyUnsettle)
	}
}

// lift has the kernel carry what a flow's party says.
func (e *Engine) lift(r *RTP) {
	o, _ := r.offer()
	if o == nil || o.to.accept(o) != "" {
		return
	}
	if why := e.carry(r, o); why != "" {
		r.explain(why, false)
	}
}

// carry lifts what is offered, or tells why not.
func (e *Engine) carry(r *RTP, o *offer) (why string) {
	carried, err := e.config.Kernel.Carry(o.stream)
	if errors.Is(err, kernel.ErrNotStanding) {
		return whyUnheard // by this process
	}
	if err != nil {
		return err.Error()
	}
	l := &lift{Carried: carried, path: o.path, format: o.format, epoch: e.config.Kernel.Now() - e.Now()}
	if !o.to.borne(l, o) || !r.lifted(l, o) {
		carried.Stop() // something changed meanwhile: in a second again
		return whyUnsettle
	}
	return ""
}

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
	case p.landing.Load() != nil || p.lessons.Load() != nil:
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

// borne makes the lift what the party hears, unless something changed.
func (r *RTP) borne(l *lift, o *offer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	again := *o
	if r.accepting(&again) != "" || !again.same(o) || r.lifts.down != nil && !r.lifts.down.Stopped() {
		return false
	}
	r.tally() // what is left of an earlier one
	r.lifts.down, r.lifts.downSeen = l, Count{}
	if r.line.adopted {
		r.line.adopted, r.line.source = false, o.path.source.Load()
		r.line.seq = uint16(l.Counts().Base) + r.line.seqOff
	}
	r.tally()
	return true
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

// lifted makes the lift what the party says, unless something changed.
func (r *RTP) lifted(l *lift, o *offer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally()
	again, _ := r.offering()
	if again == nil {
		return false
	}
	to := o.stream // the receiver's part is checked by the receiver
	again.stream.From, again.stream.To = to.From, to.To
	again.stream.SSRCOut, again.stream.SeqOff, again.stream.TimeOff = to.SSRCOut, to.SeqOff, to.TimeOff
	if !again.same(o) {
		return false
	}
	r.lifts.up, r.lifts.upSeen, r.lifts.runsSeen, r.lifts.slipped, r.lifts.why = l, Count{}, 0, 0, ""
	r.tally()
	return true
}
