package media

import (
	"slices"
	"time"

	"tincan/phone/codec"
	"tincan/phone/codec/conceal"
)

// late goes on with the sound while a packet is late. The decoder knows nothing of
// it: the packet, when it comes, is decoded as if it had been in time, and is joined to
// what was made up where the two are most alike.
//
//	played ~~~~~~~~~|~~~ made up ~~~|~~~ and on ~~~|
//	                                     |~~~~ the packet
//	                                 wait^ up to a period: sound stays in step
//
// If the packet never comes, the next one is joined where it would have been.
type late struct {
	voice *conceal.Concealer // nil: none was late yet, at this rate
	on    []int16            // how it would go on
	owed  bool               // what comes next is still to be joined
	lost  bool               // what was made up is in place of what was lost: all is in time
}

const (
	joint  = 5 * time.Millisecond // for so long both are heard
	nearly = 0.0005               // of a correlation: 0.03 of a radian
)

// goOn makes up n samples after what waits in the fifo.
func (e *ear) goOn(n int) {
	if e.late.voice == nil || !e.late.owed {
		e.late.begin(e.fifo, e.rate)
	}
	e.late.owed, e.late.lost = true, false
	e.roomFor()
	before := len(e.fifo)
	e.fifo = slices.Grow(e.fifo, n)[:before+n]
	_, _ = e.late.voice.Conceal(e.fifo[before:]) // never errs
	e.hearing.Concealed += uint64(n)
}

// begin makes ready to go on after what was heard.
func (l *late) begin(heard []int16, rate int) {
	if l.voice == nil {
		l.voice = conceal.New(rate)
		l.on = make([]int16, samplesIn(longestPeriod+joint, rate))
	}
	l.voice.Reset()
	l.voice.History(heard[max(len(heard)-samplesIn(remembered, rate), 0):])
}

// add puts n decoded samples into the fifo.
func (e *ear) add(v *voice, n int) {
	before := len(e.fifo)
	e.fifo = v.resampler.Append(e.fifo, e.raw[:n])
	if e.late.owed && len(e.fifo) > before {
		e.join(before)
	}
}

// join puts what would have come on between what was made up and the sound from at
// on, until the one is like the other, and lets both be heard there.
func (e *ear) join(at int) {
	l := &e.late
	l.owed = false
	l.begin(e.fifo[:at], e.rate) // anew: as loud as it is now
	_, _ = l.voice.Conceal(l.on)
	both := min(samplesIn(joint, e.rate), len(e.fifo)-at)
	wait := 0
	if !l.lost {
		wait = l.wait(e.fifo[at:at+both], max(e.rate/coarse, 1))
	}
	e.fifo = slices.Insert(e.fifo, at, l.on[:wait]...)
	fresh := e.fifo[at+wait:][:both]
	fade(fresh, l.on[wait:wait+both], fresh)
	e.hearing.Concealed += uint64(wait)
}

// wait finds how much of what would have come on is heard before the sound: it is most
// like it there, or nearly so and sooner.
func (l *late) wait(sound []int16, stride int) (wait int) {
	most := len(l.on) - len(sound)
	best := alike
	for s := 0; s <= most; s++ {
		if c := correlate(l.on[s:s+len(sound)], sound, stride); c > best+nearly {
			wait, best = s, c
		}
	}
	return wait
}

// repay takes from what was made up that so many ticks never came. The decoder is told,
// for what it knows of the sound before.
func (e *ear) repay(hole int64) {
	owed := e.ticksOf(e.debt)
	paid := min(hole, owed)
	e.late.lost = paid == owed
	e.next += paid
	e.debt = 0
	e.pretend(paid)
}

// pretend has the decoder make up so many ticks for nobody.
func (e *ear) pretend(t int64) {
	v := &e.voices[e.voice]
	d, ok := v.decoder.(codec.Concealer)
	if !ok {
		return
	}
	for left := int(t * int64(v.decoder.Rate()) / int64(e.clock)); left > 0; {
		n, err := d.Conceal(e.raw[:min(left, samplesIn(longestFill, v.decoder.Rate()))])
		if err != nil || n == 0 {
			return
		}
		left -= n
	}
}
