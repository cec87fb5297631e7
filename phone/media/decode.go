package media

import (
	"errors"
	"time"

	"tincan/phone/codec"
	"tincan/phone/codec/conceal"
)

// decode takes the first of the shelf into the fifo.
func (e *ear) decode() {
	p := e.shelf.first()
	if p.voice == noiseVoice {
		e.describe()
		return
	}
	e.background.heard = false
	v := &e.voices[p.voice]
	e.roomFor()
	n, err := v.decoder.Decode(e.raw, p.payload)
	e.voice, e.lastSeq, e.begun = p.voice, p.seq, true
	e.next = p.time
	e.shelf.drop()
	if err != nil || n == 0 {
		e.damaged(v, err)
		e.conceal(e.usual())
		e.next += e.usual()
		return
	}
	e.hearing.Packets++
	e.step = int64(n) * int64(e.clock) / int64(v.decoder.Rate())
	e.next += e.step
	if c, ok := v.filler.(*conceal.Concealer); ok {
		c.History(e.raw[:n])
	}
	e.last = n
	before := len(e.fifo)
	e.add(v, n)
	if e.keys != nil {
		e.keys.hear(e.fifo[before:])
	}
}

// usual is the length in ticks of a packet that cannot be known.
func (e *ear) usual() int64 {
	if e.step > 0 {
		return e.step
	}
	return int64(e.clock) / packetsPerSecond
}

func (e *ear) damaged(v *voice, err error) {
	e.hearing.Damaged++
	if e.told || e.log == nil {
		return
	}
	e.told = true
	if err == nil {
		err = errors.New("there is no sound in it")
	}
	e.log.Warn("media: a packet cannot be decoded; it is concealed, and so are others of this call without a word",
		"codec", v.format.String(), "error", err)
}

func (e *ear) roomFor() {
	if e.raw == nil {
		fastest := 0
		for i := range e.voices {
			fastest = max(fastest, e.voices[i].decoder.Rate())
		}
		e.raw = make([]int16, samplesIn(longestPacket, fastest))
	}
	if over := e.head - samplesIn(remembered, e.rate); over > samplesIn(tickEvery, e.rate) {
		e.fifo = e.fifo[:copy(e.fifo, e.fifo[over:])]
		e.head -= over
	}
}

// conceal adds made-up sound for so many ticks.
func (e *ear) conceal(t int64) {
	v := &e.voices[e.voice]
	e.roomFor()
	for left := int(t * int64(v.decoder.Rate()) / int64(e.clock)); left > 0; {
		n := min(left, samplesIn(longestFill, v.decoder.Rate()))
		n, err := v.filler.Conceal(e.raw[:n])
		if err != nil || n == 0 {
			n = min(left, len(e.raw))
			clear(e.raw[:n])
		}
		left -= n
		e.add(v, n)
		e.hearing.Concealed += uint64(n * e.rate / v.decoder.Rate())
	}
}

// longestFill is what a codec makes up at once.
const longestFill = 60 * time.Millisecond

// fill fills a hole of so many ticks before the first of the shelf, the end of
// it from that packet when it brings a copy.
func (e *ear) fill(hole int64) {
	p := e.shelf.first()
	copied := min(hole, e.usual())
	v := &e.voices[e.voice]
	r, ok := v.decoder.(codec.Recoverer)
	if !ok || p.voice != e.voice {
		e.conceal(hole)
		e.next += hole
		return
	}
	e.conceal(hole - copied)
	e.roomFor()
	n, err := r.Recover(e.raw[:int(copied*int64(v.decoder.Rate())/int64(e.clock))], p.payload)
	if err != nil || n == 0 {
		e.conceal(copied)
	} else {
		e.hearing.Recovered++
		e.add(v, n)
	}
	e.next += hole
}
