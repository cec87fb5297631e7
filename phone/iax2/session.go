package iax2

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tincan/phone/call"
	"tincan/phone/iax2/frame"
	"tincan/phone/iax2/proof"
)

// Times of a session (RFC 5456 7.2.1 leaves them to us).
const (
	// firstAgain is when a frame is sent again while the way there and back is not
	// known; else twice that way, within the bounds. Each time takes twice as long.
	firstAgain = 500 * time.Millisecond
	leastAgain = 100 * time.Millisecond
	mostAgain  = 4 * time.Second
	// giveUp is how long a peer may leave a frame without acknowledgement.
	giveUp = 16 * time.Second
	// pingEvery is how often the peer of a call is asked whether it lives
	// (RFC 5456 6.7.1: about every 20 s).
	pingEvery = 20 * time.Second
)

// maxWaiting bounds the frames that wait for acknowledgement: half of what sequence
// numbers can tell apart, and far more than any peer is behind.
const maxWaiting = 64

// party is what a session is for. Its methods are called with the session's lock
// held.
type party interface {
	// take gets a frame, in order and once. What it holds is lent.
	take(f *frame.Full)
	// lost hears that the session is over, other than by the party itself: the peer
	// is silent or knows nothing of it.
	lost(why call.Cause)
}

// session is a pair of call numbers with a peer. mu guards it all, and its party;
// path, number and unproved change under the table's lock as well.
type session struct {
	s        *Server
	ours     uint16
	number   uint16 // the peer's; 0: not known yet
	path     path
	unproved bool

	mu       sync.Mutex
	party    party
	epoch    time.Time // of the times of frames
	stamped  uint32    // of the latest frame of ours
	oseq     uint8     // of our next frame
	iseq     uint8     // of the peer's next
	told     uint8     // the last iseq that the peer was told
	behind   bool      // since a restart: the next frame tells where both are
	gap      bool      // the peer was told that a frame is missing
	waiting  []sent
	timer    *time.Timer
	rtt      time.Duration
	pinged   time.Time
	leaving  bool // over when all is acknowledged
	over     bool
	first    fingerprint             // of the frame that began it
	aside    netip.AddrPort          // who may send past the peer, for a transfer; zero: nobody
	keys     *keys                   // nil: in the clear
	sealed   atomic.Pointer[opening] // what opens mini frames; nil: in the clear
	flow     atomic.Pointer[flow]    // of a call
	pictures atomic.Pointer[pictures]
	afters   []func()
	scratch  []byte
	sealing  []byte
}

// sent is a frame that waits for its acknowledgement.
type sent struct {
	seq   uint8
	data  []byte        // in the clear
	seal  *proof.Cipher // it is encrypted with; nil: in the clear
	first time.Time
	tries int
	due   time.Time
}

func (s *Server) newSession(p path, number uint16, unproved bool) *session {
	now := time.Now()
	x := &session{s: s, path: p, number: number, unproved: unproved, epoch: now}
	return x
}

// after runs f once the lock is given back.
func (x *session) after(f func()) { x.afters = append(x.afters, f) }

// unlock gives the lock back and does what waited for that.
func (x *session) unlock() {
	afters := x.afters
	x.afters = nil
	x.mu.Unlock()
	for _, f := range afters {
		f()
	}
}

// now is the time that a frame of now has, in ms since the first.
func (x *session) now() uint32 { return uint32(time.Since(x.epoch) / time.Millisecond) }

// stamp is now for a frame: later than any before it, so that no two are the same.
func (x *session) stamp() uint32 {
	t := x.now()
	if int32(t-x.stamped) <= 0 {
		t = x.stamped + 1
	}
	x.stamped = t
	return t
}

// command sends a frame of the protocol.
func (x *session) command(c frame.Command, e *frame.Elements) {
	x.send(frame.Full{Type: frame.IAX, Subclass: frame.Subclass(c), Time: x.stamp(), Payload: elements(e)}, false)
}

// control sends a frame that tells of the call's state.
func (x *session) control(c frame.Control) {
	x.send(frame.Full{Type: frame.ControlFrame, Subclass: frame.Subclass(c), Time: x.stamp()}, false)
}

func elements(e *frame.Elements) []byte {
	if e == nil {
		return nil
	}
	return e.Append(nil)
}

// send sends a frame; its time is set already. plain: it stays in the clear, as all
// before the keys are known.
func (x *session) send(f frame.Full, plain bool) {
	if x.over {
		return
	}
	f.Source, f.Dest, f.OSeq, f.ISeq = x.ours, x.number, x.oseq, x.iseq
	if f.Is(frame.New) || f.Is(frame.Poke) {
		f.Dest = 0
	}
	if !f.Sequenced() {
		x.write(frame.AppendFull(x.scratch[:0], f), x.seal(plain))
		return
	}
	if len(x.waiting) >= maxWaiting {
		x.lose(call.Timeout.Why("the other side acknowledges nothing"))
		return
	}
	now := time.Now()
	w := sent{seq: x.oseq, data: frame.AppendFull(nil, f), seal: x.seal(plain), first: now, tries: 1}
	w.due = now.Add(x.again(w.tries))
	x.oseq++
	x.waiting = append(x.waiting, w)
	x.write(w.data, w.seal)
	x.schedule(now)
}

// write sends the bytes of a full frame.
func (x *session) write(b []byte, seal *proof.Cipher) {
	x.told = b[9]
	x.s.trace(true, x.path, x.ours, b)
	if seal != nil {
		var err error
		if x.sealing, err = seal.Seal(x.sealing[:0], b); err != nil {
			return // cannot be: it is a full frame
		}
		b = x.sealing
	}
	x.path.port.send(x.path, b)
}

// seal is what a frame of now is encrypted with.
func (x *session) seal(plain bool) *proof.Cipher {
	if x.keys == nil || plain {
		return nil
	}
	return x.keys.seal
}

// plainly sends a command that stays in the clear whenever it is sent again.
func (x *session) plainly(c frame.Command, e *frame.Elements) {
	x.send(frame.Full{Type: frame.IAX, Subclass: frame.Subclass(c), Time: x.stamp(), Payload: elements(e)}, true)
}

// again is how long to wait after so many tries.
func (x *session) again(tries int) time.Duration {
	d := firstAgain
	if x.rtt > 0 {
		d = min(max(2*x.rtt, leastAgain), firstAgain)
	}
	return min(d<<(tries-1), mostAgain)
}

// schedule sets the timer to the frame that is due first.
func (x *session) schedule(now time.Time) {
	if len(x.waiting) == 0 {
		if x.timer != nil {
			x.timer.Stop()
		}
		return
	}
	due := x.waiting[0].due
	for _, w := range x.waiting[1:] {
		if w.due.Before(due) {
			due = w.due
		}
	}
	if x.timer == nil {
		x.timer = time.AfterFunc(due.Sub(now), x.fire)
		return
	}
	x.timer.Reset(due.Sub(now))
}

// fire sends again what is due.
func (x *session) fire() {
	x.mu.Lock()
	defer x.unlock()
	if x.over {
		return
	}
	now := time.Now()
	for i := range x.waiting {
		w := &x.waiting[i]
		if w.due.After(now) {
			continue
		}
		if now.Sub(w.first) >= giveUp {
			x.lose(call.Timeout)
			return
		}
		x.repeat(w, now)
	}
	x.schedule(now)
}

// repeat sends a frame again.
func (x *session) repeat(w *sent, now time.Time) {
	w.tries++
	w.due = now.Add(x.again(w.tries))
	frame.SetRetransmit(w.data)
	w.data[9] = x.iseq
	x.write(w.data, w.seal)
}

// acknowledged drops what the peer has, by the sequence number that it waits for.
func (x *session) acknowledged(next uint8, now time.Time) {
	n := 0
	for n < len(x.waiting) && int8(next-x.waiting[n].seq) > 0 {
		n++
	}
	if n == 0 || int8(x.oseq-next) < 0 { // nothing new, or what was never sent
		return
	}
	if w := &x.waiting[n-1]; w.tries == 1 {
		x.measured(now.Sub(w.first))
	}
	x.waiting = append(x.waiting[:0], x.waiting[n:]...)
	if x.leaving && len(x.waiting) == 0 {
		x.end()
		return
	}
	x.schedule(now)
}

// measured takes a way there and back into the mean.
func (x *session) measured(d time.Duration) {
	d = max(d, time.Millisecond)
	if x.rtt == 0 {
		x.rtt = d
		return
	}
	x.rtt += (d - x.rtt) / 8
}

// leave ends the session once the peer has acknowledged what was said last.
func (x *session) leave() {
	x.leaving = true
	if len(x.waiting) == 0 {
		x.end()
	}
}

// lose ends the session from the network's side.
func (x *session) lose(why call.Cause) {
	if x.over {
		return
	}
	left := x.leaving
	x.end()
	if !left {
		x.party.lost(why)
	}
}

// bye ends the session at the peer's wish, which is acknowledged: its time comes back.
func (x *session) bye(time uint32) {
	x.ack(time)
	x.end()
}

// end forgets the session.
func (x *session) end() {
	if x.over {
		return
	}
	x.over = true
	x.waiting = nil
	if x.timer != nil {
		x.timer.Stop()
	}
	x.s.sessions.remove(x)
}
