package iax2

import (
	"sync"
	"sync/atomic"
	"time"

	"tincan/phone/codec"
	"tincan/phone/iax2/frame"
	"tincan/phone/media"
	"tincan/phone/media/quality"
)

// flow is the sound of a call (media.Flow).
//
//	in   mini frame, trunk entry: 16 bits of time, widened by the last ─┐
//	     full voice frame: format and whole time ───────────────────────┴─> Packet ─> Sink
//	out  Packet ─> ms since the call began ─┬─ new format, or upper half of the time:
//	                                        │  full frame
//	                                        ├─ trunking: entry of the bundle
//	                                        └─ mini frame
//
// What comes in belongs to the reader of the socket. What goes out, and what was
// agreed, is guarded by the session's lock.
type flow struct {
	x      *session
	leg    *leg
	engine *media.Engine
	sends  atomic.Pointer[[]codec.Format] // what the peer may send, the likeliest first
	route  atomic.Pointer[media.Sink]
	heard  func() // told of the first sound; the reader's alone

	in inward

	mu  sync.Mutex // guards got
	got received

	chosen   frame.Format // what the peer is sent; 0: not agreed yet
	format   codec.Format
	out      outward
	bundled  bool          // it goes in trunk frames
	other    *flow         // what the peer says is handed on to it; nil: it is not
	expected time.Duration // engine's time since when the peer should be sending
	routed   time.Duration // likewise, since when somebody hears it
	watch    quality.Watch
	judged   string // party that is judged; "": nobody yet
	paused   bool   // the peer has said that it sends nothing
	dead     bool   // told
}

func newFlow(l *leg) *flow {
	x := l.x
	f := &flow{x: x, leg: l, engine: x.s.cfg.Media}
	f.expected = f.engine.Now()
	f.sends.Store(new([]codec.Format))
	return f
}

// Engine gives the engine whose clock paces what is made for the peer.
func (f *flow) Engine() *media.Engine { return f.engine }

// choose sets what the peer is sent, and what it may send besides. Called with the
// session's lock held.
func (f *flow) choose(chosen frame.Format, besides frame.Preference) {
	if f.chosen == chosen {
		return
	}
	f.chosen = chosen
	f.format, _ = chosen.Codec()
	list := []codec.Format{f.format}
	for _, b := range besides {
		if c, ok := b.Codec(); ok && b != chosen {
			list = append(list, c)
		}
	}
	f.sends.Store(&list)
}

// Route says who hears the peer (media.Flow).
func (f *flow) Route(to media.Sink) {
	f.x.mu.Lock()
	defer f.x.mu.Unlock()
	f.joined(to)
	if to == nil {
		f.route.Store(nil)
		return
	}
	if f.route.Load() == nil {
		f.routed = f.engine.Now()
	}
	f.route.Store(&to)
}

// Terms says what was agreed (media.Flow).
func (f *flow) Terms() media.Terms {
	f.x.mu.Lock()
	defer f.x.mu.Unlock()
	t := media.Terms{Kind: media.Audio}
	if f.chosen != 0 {
		t.Sends, t.Accepts = *f.sends.Load(), []codec.Format{f.format}
		if media.CanClean() {
			t.Clean = f.leg.account.sound.Cleaning()
		}
	}
	return t
}

// outward follows the times of what goes out.
type outward struct {
	run    *media.Run
	base   uint32 // ms of the call at the run's beginning
	ticks  uint32 // of the run's beginning
	last   uint32 // ms of the last packet
	length uint32 // ms between the last two
	any    bool
	format frame.Format // of the last full frame
	upper  uint32       // half of the time, likewise
	buffer []byte
	room   []byte

	packets, octets uint64
	sending         codec.Format
}

// astray is how far the times of what goes out may be from the clock, in ms: a phone's
// own runs a little fast or slow, and nobody's jumps by so much.
const astray = 1000

// at gives the time of a packet in ms since the call began.
func (o *outward) at(p *media.Packet, now uint32) uint32 {
	ms := o.base + uint32(int32(p.Time-o.ticks)/int32(p.Format.Clock/1000))
	if off := int32(ms - now); o.any && o.run == p.Source && off < astray && off > -astray {
		if l := ms - o.last; l > 0 && l <= 120 {
			o.length = l
		}
		return ms
	}
	ms = now
	if o.any && int32(now-o.last) < int32(o.length) {
		ms = o.last + o.length
	}
	o.run, o.base, o.ticks = p.Source, ms, p.Time
	return ms
}

// Deliver sends a packet to the peer (media.Flow).
func (f *flow) Deliver(p *media.Packet) {
	if p.Type != media.Media || p.Format == nil || p.Format.Clock < 1000 {
		return
	}
	of, ok := frame.FormatOf(*p.Format)
	if !ok {
		return
	}
	x := f.x
	x.mu.Lock()
	defer x.unlock()
	if x.over || x.leaving || x.number == 0 {
		return
	}
	o := &f.out
	ms := o.at(p, x.now())
	whole := !o.any || o.format != of || o.upper != ms>>16
	o.last, o.any, o.sending = ms, true, *p.Format
	o.packets++
	o.octets += uint64(len(p.Payload))
	if whole {
		o.format, o.upper = of, ms>>16
		x.send(frame.Full{Type: frame.Voice, Subclass: frame.Subclass(of), Time: ms, Payload: p.Payload}, false)
		return
	}
	f.brief(frame.Mini{Source: x.ours, Time: uint16(ms), Payload: p.Payload})
}

// brief sends a mini frame, alone or among those of other calls. Called with the
// session's lock held.
func (f *flow) brief(m frame.Mini) {
	x, o := f.x, &f.out
	if x.keys == nil {
		if f.bundled && x.s.bundles.add(x.s, x.path, frame.Entry(m), true) {
			return
		}
		o.buffer = frame.AppendMini(o.buffer[:0], m)
		x.path.port.send(x.path, o.buffer)
		return
	}
	o.buffer = x.keys.sealMini(o.buffer[:0], m, &o.room)
	if f.bundled && x.keys.with&sealedTrunk != 0 && x.s.bundles.add(x.s, x.path, frame.Entry{Source: m.Source, Payload: o.buffer[sealedAt:]}, false) {
		return
	}
	x.path.port.send(x.path, o.buffer)
}

// stop is the end of the flow.
func (f *flow) stop() { f.route.Store(nil) }
