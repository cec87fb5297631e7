package media

import "time"

// transcoder is an ear and a mouth: it works as packets come, without a timer.
//
// It does not wait for what may be late, since the party's own jitter buffer
// does, and waiting twice adds delay without saving a packet. Only at a hole
// in the sequence it holds one packet back until the next: that puts two
// packets right that overtook each other, and costs nothing in order. A hole
// that stays is concealed, and what comes after that is dropped.
type transcoder struct {
	ear   *ear
	mouth *mouth
}

// Deliver takes what the one party sends.
func (t *transcoder) Deliver(p *Packet) {
	tell, found := t.carry(p)
	for _, d := range found {
		tell(d)
	}
}

func (t *transcoder) carry(p *Packet) (tell func(Digit), found []Digit) {
	e := t.ear
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.put(p) {
		e.push(t.mouth, p.Arrival)
	}
	return e.keyed()
}

func (t *transcoder) mind(p *Packet) { t.ear.mind(p) }

// push says all that need not wait.
func (e *ear) push(m *mouth, now time.Duration) {
	for p := e.shelf.first(); p != nil; p = e.shelf.first() {
		hole := p.time - e.next
		switch {
		case !e.begun || hole <= 0:
			noise := p.voice == noiseVoice
			if e.decode(); noise {
				e.flush(m, now)
				m.describe(e.background.payload, now)
			}
		case e.debt > 0: // made up by the clock before
			e.repay(hole)
		case p.counted && p.seq == e.lastSeq+1: // nothing was sent in between
			e.pass(hole, m, now)
		case e.mayCome(p) && e.span(hole) <= longestHole:
			e.flush(m, now)
			return
		case e.span(hole) <= longestHole:
			e.fill(hole)
		default:
			e.pass(hole, m, now)
		}
	}
	e.playing = e.begun
	e.flush(m, now)
}

// pass lets time pass in which nothing is said.
func (e *ear) pass(hole int64, m *mouth, now time.Duration) {
	e.flush(m, now)
	if e.clean != nil {
		e.clean.pause()
	}
	m.hush(e.samples(hole), now)
	e.next += hole
}

// mayCome tells whether what is missing before a packet may only have been
// overtaken.
func (e *ear) mayCome(p *arrived) bool {
	return p.counted && int16(p.seq-e.lastSeq) > 1 && len(e.shelf.waiting) == 1
}

// flush says what waits in the fifo.
func (e *ear) flush(m *mouth, now time.Duration) {
	pcm := e.fifo[e.head:]
	e.head = len(e.fifo)
	e.hearing.Played += uint64(len(pcm))
	if e.clean != nil {
		pcm = e.clean.stream(pcm)
	}
	m.speak(pcm, now)
}

// drain says all that waits, since packets go another way from now on.
func (e *ear) drain(m *mouth, now time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		e.push(m, now)
		p := e.shelf.first()
		if p == nil {
			return
		}
		e.fill(p.time - e.next) // what was held back goes now
	}
}

// anew forgets where the stream was, after packets went another way. What the
// decoder knows stays.
func (e *ear) anew() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shelf.empty()
	e.begun, e.playing, e.debt = false, false, 0
	e.fifo, e.head = e.fifo[:0], 0
	e.late.owed = false
	if e.clean != nil {
		e.clean.anew()
	}
}
