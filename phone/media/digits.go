package media

import (
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/rtp"
)

// Digit is a key pressed.
type Digit struct {
	Rune     rune          // 0-9 * # A-D, or ! for a hook flash
	Duration time.Duration // 0 when not known
}

// Telephone events made here (RFC 4733 2.5.1).
const (
	digitLength  = 100 * time.Millisecond // when none was given
	digitAtLeast = 40 * time.Millisecond  // shorter is not recognised (Q.24)
	digitAtMost  = 5 * time.Second        // the duration field ends at 8 s
	digitPause   = 3                      // ticks between digits
	digitEnds    = 3                      // the last packet is sent so often
	digitVolume  = 10                     // -10 dBm0
	maxDigits    = 64                     // waiting; a longer burst is a fault
)

// eventLost is how long an event may be silent before its end is taken for
// lost; phones repeat it every 20 to 50 ms.
const eventLost = 300 * time.Millisecond

// keysIn follows the telephone events of a party, many packets a key. The
// owner's lock guards it.
type keysIn struct {
	active bool
	told   bool
	code   uint8
	time   uint32 // RTP time at which the key went down
	length time.Duration
	at     time.Duration
}

// take gives a key that has ended: by its end, or by another that begins.
func (k *keysIn) take(e rtp.Event, at uint32, clock uint32, now time.Duration) (d Digit, ended bool) {
	same := k.active && k.time == at && k.code == e.Code
	if !same {
		d, ended = k.end()
		*k = keysIn{active: true, code: e.Code, time: at}
	}
	k.length, k.at = max(k.length, span(uint32(e.Duration), clock)), now
	if e.End && !ended {
		return k.end()
	}
	return d, ended
}

// end gives the key the first time.
func (k *keysIn) end() (Digit, bool) {
	if !k.active || k.told {
		return Digit{}, false
	}
	k.told = true
	key, ok := rtp.Key(k.code)
	return Digit{Rune: key, Duration: k.length}, ok
}

// forgotten gives a key whose end never came.
func (k *keysIn) forgotten(now time.Duration) (Digit, bool) {
	if !k.active || now-k.at < eventLost {
		return Digit{}, false
	}
	return k.end()
}

// press tells Events.Digit of the event in r.in, which nobody passed on.
func (r *RTP) press(now time.Duration) {
	e, err := rtp.ParseEvent(r.in.Payload)
	if err != nil {
		return
	}
	r.mu.Lock()
	d, ended := r.keys.take(e, r.in.Time, r.in.Format.Clock, now)
	r.mu.Unlock()
	if ended && r.events.Digit != nil {
		r.events.Digit(d)
	}
}

// digitsOut makes telephone events towards a party, one tick at a time. The
// owner's lock guards it.
type digitsOut struct {
	active  bool // the sound gives way
	waiting []Digit
	event   rtp.Event
	time    uint32 // of the key going down
	length  uint32 // ticks until it goes up
	elapsed uint32
	ends    int
	pause   int
}

// SendDigit sends a key as telephone events, or as a tone, after those still
// waiting. It does nothing when neither was agreed (HasEvents), for what is no
// key, on a pinned flow, and beyond maxDigits.
func (r *RTP) SendDigit(d Digit) {
	if m := r.toneMouth(); m != nil {
		m.press(d)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, agreed := r.eventFormat()
	_, key := rtp.KeyCode(d.Rune)
	if !agreed || !key || r.closed || r.line.pinned || len(r.digits.waiting) >= maxDigits {
		r.engine.log.Debug("media: digit not sent", "port", r.port, "events", agreed, "pinned", r.line.pinned)
		return
	}
	r.groundDown()
	r.digits.waiting = append(r.digits.waiting, d)
	r.engine.pacer.add((*digitTicker)(r))
}

// toneMouth gives who says keys as tones, or nil.
func (r *RTP) toneMouth() presser {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.inband() {
		return nil
	}
	return r.mouth
}

// digitTicker is a flow while it sends digits.
type digitTicker RTP

func (t *digitTicker) tick(due time.Duration) {
	r := (*RTP)(t)
	r.mu.Lock()
	defer r.mu.Unlock()
	format, agreed := r.eventFormat()
	if r.closed || !agreed || !r.digits.next(r, format, due) {
		r.digits = digitsOut{}
		r.engine.pacer.remove(t)
		return
	}
	if r.digits.active {
		r.digits.send(r, format, due)
	}
}

// next goes on to the next key when one has ended; false when none is left.
func (d *digitsOut) next(r *RTP, f codec.Format, now time.Duration) bool {
	if d.active {
		return true
	}
	if d.pause > 0 {
		d.pause--
		return true
	}
	if len(d.waiting) == 0 {
		return false
	}
	digit := d.waiting[0]
	length := digit.Duration
	if length == 0 {
		length = digitLength
	}
	length = min(max(length, digitAtLeast), digitAtMost)
	code, _ := rtp.KeyCode(digit.Rune)
	r.line.begin(f.Clock, now)
	*d = digitsOut{
		active: true, waiting: d.waiting[1:], event: rtp.Event{Code: code, Volume: digitVolume},
		time: r.line.next(now, f.Clock), length: ticks(length, f.Clock),
	}
	return true
}

// send makes the packet of this tick: a growing duration, the end three times.
func (d *digitsOut) send(r *RTP, f codec.Format, now time.Duration) {
	first := d.elapsed == 0
	if !d.event.End {
		d.elapsed += ticks(tickEvery, f.Clock)
		d.event.Duration = uint16(min(d.elapsed, d.length, 0xffff))
		d.event.End = d.elapsed >= d.length
	}
	payload := make([]byte, rtp.EventLen)
	d.event.Put(payload)
	h := rtp.Header{PT: f.PT, Marker: first, Seq: r.line.insert(), Time: d.time, SSRC: r.line.ssrc}
	r.line.note(h, f.Clock, now)
	r.transmit(h, &Packet{Type: Event, Payload: payload})
	if d.event.End {
		d.ends++
	}
	if d.ends == digitEnds {
		d.active, d.pause = false, digitPause
	}
}
