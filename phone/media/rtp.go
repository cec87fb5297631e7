package media

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/quality"
	"tincan/phone/media/secure"
)

// Remote is what signalling said of a party and what was agreed with it.
type Remote struct {
	// RTP is where the party said it receives; 0.0.0.0, or port 0, changes
	// nothing. RTCP may be left out: the next port. Mux: RTCP goes where RTP
	// does (RFC 5761); what comes is told apart in any case.
	RTP, RTCP netip.AddrPort
	Mux       bool
	// Direction is the party's: with SendOnly it sends, with RecvOnly it
	// listens.
	Direction Direction
	// Formats are agreed; the first that is sound is what we send when we
	// have the choice. Local are the payload types that the party was told to
	// send; nil: as Formats.
	Formats []codec.Format
	Local   []codec.Format
	// Ptime is the length in ms of packets that we make; 0: 20.
	Ptime int
	// Asked: its pictures are asked for by RTCP (RFC 4585, 5104); else Events.Picture
	// tells too when a whole one is wanted.
	Asked bool
	// Pinned: the ends secure their media with each other (ZRTP); nothing is
	// ever rewritten.
	Pinned bool
	// Hosts are expected to send the party's media beside RTP's: where its
	// signalling comes from. Any other waits until these have been silent for
	// 2 s, and gives way to them.
	Hosts []netip.Addr
	// Inband: where no telephone-event was agreed, the party's keys are looked
	// for in its sound, and keys for it are said as tones. It costs decoding,
	// and needs a codec that keeps tones: G.711, G.722, L16.
	Inband bool
	// Clean is what is done to the party's sound.
	Clean Clean
	// Opaque: datagrams that are not RTP and are handed on as they are (T.38).
	Opaque bool
	// Keys encrypt and authenticate its media (SRTP). With a Handshake they are
	// found by it (DTLS), and only given as an earlier process found them. Neither:
	// in the clear.
	Keys      *secure.Keys
	Handshake *secure.Terms
	// Trusted: the party is where it says, so its media is taken only from
	// the signalled host (but any port of it).
	Trusted bool
}

// RTP is the flow of a party that speaks RTP, with a port pair of its own. Its
// methods may be called by any goroutine. Packets come in by one reader
// goroutine, or by that of a relay or a connection that ICE has found; the sink
// is called by it.
type RTP struct {
	engine *Engine
	kind   Kind
	events Events

	arriving sync.Mutex          // one packet at a time, by whatever way it comes
	in       Packet              // guarded by arriving
	source   atomic.Pointer[Run] // of what the party sends

	fraction atomic.Uint32 // lost of what the party hears, in 1/256, for encoders

	mu sync.Mutex // guards the rest; held for one system call at most

	sock   Socket
	port   uint16
	bind   netip.Addr
	closed bool
	remote Remote
	local  []codec.Format
	byPT   [128]uint8 // payload type to place in local, plus one; 0: not agreed
	route  Sink
	way    Way
	muted  bool // what the party sends is heard by nobody
	mouth  presser

	guard   guard
	latch   latch
	control latch // of the RTCP port, when there is no mux
	rx      reception
	line    line
	keys    keysIn
	digits  digitsOut
	reports reports
	judge   judge

	out       Count
	sending   codec.Format
	receiving *codec.Format
	discarded quality.Discarded
	picture   bool // a whole one is wanted, and the party may not heed RTCP

	expected time.Duration // since when the party should be sending
	heard    time.Duration // last datagram of any kind from the party
	everGot  bool
	dead     bool // told
	zrtpIn   bool
	zrtpOut  bool

	lifts lifts // what the kernel carries of it
}

func newRTP(e *Engine, kind Kind, ev Events) *RTP {
	now := e.Now()
	r := &RTP{engine: e, kind: kind, events: ev, closed: true, expected: now}
	r.source.Store(new(Run))
	r.reports = reports{own: true, cname: fmt.Sprintf("%016x", rand.Uint64()), last: now}
	return r
}

// Port is the RTP port; RTCP's is the next.
func (r *RTP) Port() uint16 { return r.port }

// Engine gives the engine that opened the flow.
func (r *RTP) Engine() *Engine { return r.engine }

// Configure takes what an offer and answer settled; again after each re-INVITE.
// A new address opens the latch for it.
func (r *RTP) Configure(remote Remote) {
	now := r.engine.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ground()
	r.setLocal(remote)
	if r.remote.Direction&SendOnly == 0 && remote.Direction&SendOnly != 0 {
		r.expected = now
	}
	r.remote = remote
	r.line.pinned = r.line.pinned || remote.Pinned
	if err := r.settle(remote); err != nil {
		r.engine.log.Error("media: nothing passes", "port", r.port, "error", err)
	}
	r.latch.expect(remote.Hosts)
	r.latch.signal(remote.RTP, remote.Trusted, now)
	r.control.signal(controlAddr(remote), remote.Trusted, now)
}

// Rest makes the party neither send nor listen until the next Configure: its
// line has port 0 for now.
func (r *RTP) Rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ground()
	r.remote.Direction = Inactive
}

// controlAddr gives where RTCP is received: said, or the port after RTP's (RFC
// 3605 2.1).
func controlAddr(remote Remote) netip.AddrPort {
	if remote.RTCP.IsValid() || !sendable(remote.RTP) {
		return remote.RTCP
	}
	return netip.AddrPortFrom(remote.RTP.Addr(), remote.RTP.Port()+1)
}

// setLocal makes the table of what the party may send: the likeliest, which
// the party named as well, first. Packets under way point to the old one.
func (r *RTP) setLocal(remote Remote) {
	r.local = slices.Clone(remote.Local)
	if r.local == nil {
		r.local = slices.Clone(remote.Formats)
	}
	slices.SortStableFunc(r.local, func(a, b codec.Format) int {
		return rank(remote.Formats, a) - rank(remote.Formats, b)
	})
	r.byPT = [128]uint8{}
	for i, f := range r.local {
		if f.PT < 128 && r.byPT[f.PT] == 0 && i < 127 {
			r.byPT[f.PT] = uint8(i + 1)
		}
	}
}

func rank(formats []codec.Format, f codec.Format) int {
	if i := slices.IndexFunc(formats, f.Same); i >= 0 {
		return i
	}
	return len(formats)
}

// Terms says what was agreed.
func (r *RTP) Terms() Terms {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.remote.Opaque {
		return Terms{Kind: Image}
	}
	t := Terms{
		Kind: r.kind, Sends: r.local, Accepts: r.remote.Formats,
		Ptime: r.remote.Ptime, Pinned: r.line.pinned,
	}
	if r.inband() {
		t.keys = r.pressedTone
	}
	if r.kind == Audio && CanClean() {
		t.Clean = r.remote.Clean
	}
	return t
}

// inband tells whether keys are tones. Called with mu held.
func (r *RTP) inband() bool {
	_, agreed := r.eventFormat()
	return r.remote.Inband && !agreed && r.kind == Audio
}

// pressedTone is told of a key that was found in the sound.
func (r *RTP) pressedTone(d Digit) {
	if r.events.Digit != nil {
		r.events.Digit(d)
	}
}

// spoken is told by the bridge who speaks to the party; nil: nobody who
// encodes.
func (r *RTP) spoken(m presser) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mouth = m
}

// Route says where packets go from now on; nil: nowhere.
func (r *RTP) Route(to Sink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groundUp()
	if r.route == nil && to != nil {
		r.judge.since = r.engine.Now()
	}
	if r.route != to && to != nil {
		r.wantPicture()
	}
	r.route = to
}

// HasEvents tells whether digits can be sent in the party's media: as
// telephone events, or as tones if it was configured so.
func (r *RTP) HasEvents() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.eventFormat()
	return ok || r.inband()
}

// carried is told by the bridge how the flow is carried: relayed means that
// the far party's own RTCP comes through, so that none is made here.
func (r *RTP) carried(way Way, relayed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if way != WayRelay {
		r.ground()
	}
	r.way = way
	r.reports.own = !relayed
}

// mute is told by the bridge that nobody is to hear the party.
func (r *RTP) mute(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.muted != on {
		r.groundUp()
	}
	if r.muted && !on {
		r.expected = r.engine.Now()
		r.wantPicture()
	}
	r.muted = on
}

// Stats tells the flow's quality now.
func (r *RTP) Stats() Stats {
	now := r.engine.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally()
	s := Stats{
		Way: r.way, NotKernel: r.notKernel(), Remote: r.latch.to, Latched: r.latch.closed,
		In: Count{r.rx.packets, r.rx.octets}, Out: r.out, Sending: r.sending,
		Lost:        r.rx.lost + r.rx.missing(),
		Jitter:      milliseconds(span(r.rx.jitter>>4, r.rx.clock)),
		LastArrival: -1, Discarded: r.refused(),
		RTT: r.reports.rtt, FarLost: int64(r.reports.lost),
		FarLoss:   float64(r.reports.fraction) / 256,
		FarJitter: milliseconds(span(r.reports.jitter, r.line.clock)),
		Suite:     r.guard.suite(),
	}
	if r.lifts.up != nil {
		s.Way = WayKernel
	}
	if r.receiving != nil {
		s.Receiving = *r.receiving
	}
	if r.everGot {
		s.LastArrival = now - r.heard
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// sweep is called once a second.
func (r *RTP) sweep(now time.Duration) {
	r.mu.Lock()
	r.tally()
	dead := r.dies(now)
	picture := r.picture
	r.picture = false
	digit, lost := r.keys.forgotten(now)
	troubles := r.assess(now)
	r.originate(now)
	worn := r.guard.session != nil && r.guard.session.Moved()
	r.mu.Unlock()
	if worn && r.events.Worn != nil {
		r.events.Worn()
	}
	for _, t := range troubles {
		if r.events.Trouble != nil {
			r.events.Trouble(t)
		}
	}
	if picture && r.events.Picture != nil {
		r.events.Picture()
	}
	if dead && r.events.Dead != nil {
		r.events.Dead()
	}
	if lost && r.events.Digit != nil {
		r.events.Digit(digit)
	}
}

// dies tells, once, that a party which should be sending is not.
func (r *RTP) dies(now time.Duration) bool {
	timeout := r.engine.config.Timeout
	if timeout == 0 || r.dead || !r.should() || now-max(r.heard, r.expected) <= timeout {
		return false
	}
	r.dead = true
	return true
}

// Close gives the ports back. Packets delivered later are dropped.
func (r *RTP) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.ground()
	r.closed, r.route = true, nil
	r.guard.forget()
	if err := r.sock.Close(); err != nil {
		r.engine.log.Warn("media: closing a port", "port", r.port, "error", err)
	}
	r.engine.pacer.remove((*digitTicker)(r))
	r.engine.release(r.port)
}
