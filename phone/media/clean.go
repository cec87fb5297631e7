package media

import (
	"log/slog"
	"time"

	"tincan/phone/media/speexdsp"
)

// Clean says what is done to what a party sends before others hear it. It costs
// decoding; a build without the library (CanClean) does nothing.
type Clean struct {
	Echo  bool // what the party was sent, and sends back, is taken out
	Level bool // soft and loud voices are brought to one level
	Noise bool // steady noise is dampened
}

// CanClean tells whether this build has what Clean needs.
func CanClean() bool { return speexdsp.Available }

// Times of an echo. It comes back after the packets both ways, the phone's jitter
// buffer and ours, and the room: 60 to 250 ms of a phone nearby.
const (
	echoTail = 300 * time.Millisecond // how long after it was sent it is looked for
	// farLead is what is kept of what was sent before it is compared with what
	// comes, so that packets may come a little late. No echo is quicker: a phone
	// gathers a packet before it plays it, and another before it sends it.
	farLead = 20 * time.Millisecond
	farMost = 200 * time.Millisecond // more waits only while the party is silent
	// farLook is how long it is watched before more than the lead is left out:
	// clocks drift apart.
	farLook  = 2 * time.Second
	farSlack = 20 * time.Millisecond // beyond the lead, that is not worth it
)

// cleaner cleans what an ear hears. It counts samples, not time: what the party
// was sent meets what it sends sample by sample, 20 ms at once, as the party's
// phone plays and records them by one clock.
//
//	mouth --- what the party is sent ---> farEnd --+
//	                                               | as many samples
//	ear  ---- what the party sends --> [near] -----+--> speexdsp --> others
//
// The lock of its ear guards it, but for the far end.
type cleaner struct {
	what      Clean
	log       *slog.Logger // may be nil
	processor *speexdsp.Processor
	frame     int     // samples; 0: nothing can be done at this rate
	near      []int16 // done, and then what waits for its frame to be full
	done      int
	heard     []int16 // of the far end, as long as what is cleaned
	far       *farEnd // nil: nobody looks for an echo
}

// newCleaner makes one, nil if nothing is asked for.
func newCleaner(rate int, what Clean, log *slog.Logger) *cleaner {
	if what == (Clean{}) {
		return nil
	}
	c := &cleaner{what: what, log: log}
	if what.Echo {
		c.far = new(farEnd)
	}
	c.retune(rate)
	return c
}

// retune goes on at another rate. What is known of the room is lost.
func (c *cleaner) retune(rate int) {
	o := speexdsp.Options{Level: c.what.Level, Denoise: c.what.Noise}
	if c.what.Echo {
		o.EchoTail = echoTail
	}
	p, err := speexdsp.New(rate, o)
	if err != nil && c.log != nil {
		c.log.Warn("media: a party's sound stays as it is", "rate", rate, "error", err)
	}
	c.processor, c.frame = p, 0
	if err == nil {
		c.frame = p.Frame()
	}
	c.near, c.done = c.near[:0], 0
	if c.far != nil {
		c.far.retune(rate)
	}
}

// stream cleans sound that comes in pieces of any length: it gives those frames
// that are full, good until the next call.
func (c *cleaner) stream(pcm []int16) []int16 {
	if c.frame == 0 {
		return pcm
	}
	c.near = c.near[:copy(c.near, c.near[c.done:])]
	c.near = append(c.near, pcm...)
	c.done = len(c.near) / c.frame * c.frame
	c.process(c.near[:c.done])
	return c.near[:c.done]
}

// tick cleans what is taken by the clock, 20 ms at once; silent: nothing came.
func (c *cleaner) tick(pcm []int16, silent bool) {
	c.near, c.done = c.near[:0], 0
	if c.frame == 0 || len(pcm)%c.frame != 0 {
		return
	}
	if silent {
		c.pause()
		return
	}
	c.process(pcm)
}

func (c *cleaner) process(pcm []int16) {
	c.heard = append(c.heard[:0], pcm...)
	if c.far != nil {
		c.far.take(c.heard)
	}
	_ = c.processor.Process(pcm, c.heard) // both are as many whole frames
}

// pause lets time pass in which the party sends nothing.
func (c *cleaner) pause() {
	if c.far != nil {
		c.far.catchUp()
	}
}

// anew begins with another stretch of what the party sends.
func (c *cleaner) anew() {
	c.near, c.done = c.near[:0], 0
	c.pause()
}
