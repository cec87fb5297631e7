package media

import (
	"cmp"
	"errors"
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
	slipped          int  // packets that came up though they are carried
	barred           bool // too many did
	due              bool // it can be lifted, after the next packet
	why              string
}

// maxSlipped is how many packets of a carried stream may come up one after
// another, 5 s of sound, until it is taken for one that the kernel does not see.
const maxSlipped = 5 * packetsPerSecond

// Reasons for which a stream that is relayed is not carried by the kernel.
const (
	whyUnheard  = "a party has not been heard yet"
	whyUnsettle = "the stream has only begun"
	whyUnpaused = "it was decoded, and is until there is a pause in the sound"
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
