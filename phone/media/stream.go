package media

import (
	"time"
)

// Deliver puts a packet on the shelf.
func (e *ear) Deliver(p *Packet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put(p)
}

// put tells whether the packet may be of use.
func (e *ear) put(p *Packet) bool {
	place := e.byPT[p.Format.PT&127]
	if place == 0 {
		return false
	}
	a := arrived{
		time: e.position(p), seq: p.seq, counted: p.datagram != nil,
		voice: place - 1, payload: p.Payload,
	}
	e.delay.arrive(p.Arrival-e.span(a.time), p.Arrival)
	if e.begun && a.time < e.next {
		e.hearing.Late++
		return false
	}
	if !e.shelf.put(a) {
		e.hearing.Duplicate++
		return false
	}
	return true
}

// mind keeps the sequence unbroken over a packet that is no sound.
func (e *ear) mind(p *Packet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.ssrc == e.ssrc && p.seq == e.lastSeq+1 {
		e.lastSeq = p.seq
	}
	if p.ssrc == e.ssrc && p.seq == e.cameSeq+1 {
		e.cameSeq = p.seq
	}
}

// span is how long ticks last.
func (e *ear) span(t int64) time.Duration {
	clock := int64(e.clock)
	return time.Duration(t/clock)*time.Second + time.Duration(t%clock)*time.Second/time.Duration(clock)
}

// samples gives how many samples at the ear's rate ticks last.
func (e *ear) samples(t int64) int { return int(t * int64(e.rate) / int64(e.clock)) }

// ticksOf is the reverse of samples.
func (e *ear) ticksOf(samples int) int64 { return int64(samples) * int64(e.clock) / int64(e.rate) }

// position gives a packet's time in ticks that never wrap. A stream that does
// not go on from the last one is joined to its end.
func (e *ear) position(p *Packet) int64 {
	if e.clock == 0 {
		e.follow(p, 0)
		return 0
	}
	ahead := int64(int32(p.Time - e.stamp))
	if e.restarts(p, ahead) {
		end := e.next
		if last := e.shelf.last(); last != nil {
			end = last.time + e.usual()
		}
		e.hearing.Restarts++
		e.rescale(&end, p.Format.Clock)
		e.delay = delays{}
		e.follow(p, end)
		return end
	}
	at := e.came + ahead
	if ahead > 0 {
		e.follow(p, at)
	}
	return at
}

func (e *ear) follow(p *Packet, at int64) {
	e.ssrc, e.clock, e.stamp, e.came, e.cameSeq = p.ssrc, p.Format.Clock, p.Time, at, p.seq
}

// restarts tells whether a packet begins another stream: another sender, a
// clock of another speed, a time far off, or a time that does not go on though
// the sequence does.
func (e *ear) restarts(p *Packet, ahead int64) bool {
	switch {
	case p.ssrc != e.ssrc || p.Format.Clock != e.clock:
		return true
	case ahead < -int64(ticks(stale, e.clock)), ahead > int64(ticks(leap, e.clock)):
		return true
	case p.datagram == nil:
		return false
	}
	step := int16(p.seq - e.cameSeq)
	return step == 1 && ahead <= 0
}

// rescale turns all that is kept in ticks to another clock.
func (e *ear) rescale(end *int64, clock uint32) {
	if clock == e.clock {
		return
	}
	turn := func(t int64) int64 { return t * int64(clock) / int64(e.clock) }
	*end, e.next, e.step = turn(*end), turn(e.next), turn(e.step)
	for _, a := range e.shelf.waiting {
		a.time = turn(a.time)
	}
}
