package media

import "time"

// Bounds of playing by the clock.
const (
	scaleSlack = 5 * time.Millisecond   // beyond a tick, so that one measure does not undo another
	scaleFar   = 40 * time.Millisecond  // off by more: scaled as often as can be
	scaleAny   = 100 * time.Millisecond // off by more: scaled whatever it sounds like
	scaleRest  = 5                      // ticks between two, usually
	scaleBrief = 2                      // and when far off
	scaleNever = 300 * time.Millisecond // off by more: packets are left out
	rise       = 2                      // ms in which sound comes up after a pause
)

// playout is the part of an ear that is taken by the clock.
//
//	idle --- a packet, and it has waited as long as is wanted ---> playing
//	  ^        (at once when nothing is known of the stream yet)      |
//	  +------------- nothing came for 100 ms, or a pause -------------+
//
// While playing, what is not there is made up: before a packet that is, since
// the one between is lost; after all others, since the next one may be late.
// That is repaid when it shows that it was lost after all; else the delay has
// grown by it. Each packet tells how long it would have waited had it come the
// quickest way; if that is less than is wanted, sound is stretched, if more
// than a tick beyond, compressed, a period of the voice at a time.
type playout struct {
	playing bool
	eager   bool // to begin with the first packet, whatever is wanted
	paused  bool // has played before
	debt    int  // samples made up since the shelf ran dry
	waited  time.Duration
	rest    int // ticks until sound may be scaled again
}

// take fills dst with what is next. It is false when that is silence since
// nothing comes.
func (e *ear) take(dst []int16, now time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	says := e.play(dst, now)
	if e.clean != nil {
		e.clean.tick(dst, !says)
	}
	return says
}

func (e *ear) play(dst []int16, now time.Duration) bool {
	if !e.playing && !e.begin(now) {
		clear(dst)
		return e.background.murmur(dst)
	}
	e.fetch(len(dst), now, true)
	e.pace(len(dst), now)
	n := copy(dst, e.fifo[e.head:])
	clear(dst[n:])
	e.head += n
	e.hearing.Played += uint64(n)
	if e.playing && e.paused {
		soften(dst, e.rate)
	}
	e.paused = false
	if !e.playing {
		e.paused, e.head = true, len(e.fifo)
		sink(dst[:n])
		e.background.murmur(dst[n:])
	}
	return true
}

// soften lets sound come up from silence.
func soften(dst []int16, rate int) {
	n := min(rise*rate/1000, len(dst))
	for i := range n {
		dst[i] = int16(int(dst[i]) * i / n)
	}
}

// sink lets sound go down to silence.
func sink(dst []int16) {
	n := len(dst)
	for i := range n {
		dst[i] = int16(int(dst[i]) * (n - i) / n)
	}
}

// begin starts to play when the first packet's time has come.
func (e *ear) begin(now time.Duration) bool {
	p := e.shelf.first()
	if p == nil {
		return false
	}
	hole := p.time - e.next
	joined := e.eager && e.begun && hole >= 0 && e.span(hole) <= longestHole
	if e.begun && !e.eager && !e.steady && now-e.delay.quickest()-e.span(p.time) < e.delay.wanted {
		return false
	}
	if !joined {
		e.next = p.time
	}
	e.playing, e.eager, e.debt, e.rest = true, false, 0, scaleRest
	e.late.owed = false
	return true
}

// fetch decodes until want samples wait, making up what is not there if it may.
func (e *ear) fetch(want int, now time.Duration, makeUp bool) {
	for e.playing && len(e.fifo)-e.head < want {
		p := e.shelf.first()
		switch {
		case p != nil && p.time <= e.next:
			e.waited = e.waits(p, now)
			e.debt = 0
			e.hasten(now)
			e.decode()
		case !makeUp:
			return
		case p != nil && e.waits(p, now)-e.delay.wanted > tickEvery+scaleSlack:
			e.skip() // there is more than enough to hear
		case p != nil:
			e.bridgeHole(p.time - e.next)
		case e.steady, e.background.heard, e.debt >= samplesIn(longestHole, e.rate):
			e.playing = false
		default:
			e.expand(want - (len(e.fifo) - e.head))
		}
	}
}

// waits tells how long a packet would have waited, had it come the quickest way.
func (e *ear) waits(p *arrived, now time.Duration) time.Duration {
	return now - e.delay.quickest() - e.span(p.time)
}

// skip goes on with the first of the shelf; a bit of sound that is made up
// hides the seam.
func (e *ear) skip() {
	e.conceal(int64(e.clock) * rise / 1000)
	e.next, e.debt = e.shelf.first().time, 0
}

// hasten leaves packets out when far more wait than are wanted.
func (e *ear) hasten(now time.Duration) {
	if e.waited-e.delay.wanted < scaleNever || e.steady {
		return
	}
	for len(e.shelf.waiting) > 1 && e.waits(e.shelf.first(), now)-e.delay.wanted > tickEvery {
		e.hearing.Late++
		e.shelf.drop()
	}
	e.skip()
	e.waited = e.waits(e.shelf.first(), now)
}

// expand makes up n samples in the hope that the next packet is only late.
func (e *ear) expand(n int) {
	e.goOn(n)
	e.debt += n
	if e.debt >= samplesIn(longestHole, e.rate) {
		sink(e.fifo[len(e.fifo)-n:])
	}
}

// bridgeHole deals with a packet that is missing before one that is there.
func (e *ear) bridgeHole(hole int64) {
	switch {
	case e.debt > 0:
		e.repay(hole)
	case e.span(hole) > longestHole:
		e.conceal(e.usual())
		e.playing = false
	default:
		e.fill(hole)
	}
}

// pace brings the delay nearer to what is wanted, when it is time, and not just after
// sound was made up, by which it has grown.
func (e *ear) pace(n int, now time.Duration) {
	if e.rest--; e.rest > 0 || !e.playing || e.steady || e.late.owed {
		return
	}
	switch excess := e.waited - e.delay.wanted; {
	case excess < 0:
		e.stretch(n, -excess)
	case excess > tickEvery+scaleSlack:
		e.fetch(n+2*samplesIn(longestPeriod, e.rate), now, false)
		e.compress(n, excess)
	}
}

func (e *ear) stretch(n int, lack time.Duration) {
	if len(e.fifo)-e.head < n {
		return
	}
	shift, like := period(e.fifo, e.head, e.rate, true)
	if !e.scales(shift, like, lack) || len(e.fifo)-e.head < shift {
		return
	}
	e.fifo = prolong(e.fifo, e.head, shift)
}

func (e *ear) compress(n int, excess time.Duration) {
	shift, like := period(e.fifo, e.head, e.rate, false)
	if !e.scales(shift, like, excess) || len(e.fifo)-e.head < max(2*shift, n+shift) {
		return
	}
	e.fifo = shorten(e.fifo, e.head, shift)
}

// scales decides whether a seam is worth it, and counts it.
func (e *ear) scales(shift int, like float64, off time.Duration) bool {
	if shift == 0 || like < alike && off < scaleAny {
		return false
	}
	e.rest = scaleRest
	if off > scaleFar {
		e.rest = scaleBrief
	}
	e.hearing.Scaled += uint64(shift)
	return true
}

// byClock makes ready to be taken by the clock, after having been pushed.
func (e *ear) byClock() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.playing, e.eager = false, true
}
