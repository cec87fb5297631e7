package media

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tincan/phone/codec"
	"tincan/phone/codec/conceal"
	"tincan/phone/media/resample"
)

// Bounds of decoding.
const (
	longestPacket = 120 * time.Millisecond // of sound in one payload (Opus, RFC 7587 4.2)
	longestHole   = 100 * time.Millisecond // a longer one is a pause, not a loss
	late          = time.Second            // an older packet than that is a restart
	leap          = time.Minute            // and so is one that is so far ahead
	remembered    = 2 * longestPeriod      // of sound that was played, for scaling
)

// ear turns what a flow sends into sound at one rate. It puts packets in
// order, finds the holes and fills them. The sound is either taken by the
// clock (playout.go), or pushed on as packets come (transcode.go); the ear may
// go from one to the other and loses nothing by it.
//
//	Deliver -> shelf -> decoder -> resampler -> fifo [past|head  next out]
//	           ^ by media time      holes: recovered or concealed
//
// Its methods may be called by any goroutine.
type ear struct {
	log *slog.Logger // may be nil

	mu     sync.Mutex // guards what follows
	rate   int
	sends  []codec.Format
	byPT   [128]uint8 // place in voices, plus one
	voices []voice
	// Most calls are relayed and never decode: the buffers come with the first
	// packet that must be.
	raw  []int16 // as decoded
	last int     // samples of it that came last
	fifo []int16
	head int

	shelf shelf
	delay delays
	// steady: packets come by our own clock, so none is late or lost.
	steady bool
	keys   *keyEar // nil: not looked for

	// The stream that is heard.
	begun   bool
	ssrc    uint32
	clock   uint32
	voice   uint8  // of what was decoded last
	came    int64  // time of the last packet put, ticks
	stamp   uint32 // and as it was written
	cameSeq uint16
	next    int64  // ticks: what is decoded next
	lastSeq uint16 // of what was decoded last
	step    int64  // ticks of the last packet
	playout
	hearing Hearing
	told    bool // of a fault, once
}

// Hearing counts what an ear met.
type Hearing struct {
	Packets   uint64 // decoded
	Duplicate uint64
	Late      uint64 // came when their time was over
	Damaged   uint64 // did not decode
	Recovered uint64 // found in the packet after them
	Restarts  uint64 // of the stream: another SSRC, clock or time
	// In samples at the rate that was asked for.
	Played, Concealed, Scaled uint64
}

// voice decodes one format.
type voice struct {
	format    codec.Format
	decoder   codec.Decoder
	filler    codec.Concealer
	resampler *resample.Resampler
}

// slowest is the least number of samples a second that is sound.
const slowest = 8000

// newEar makes an ear for all formats that can be decoded. It errs when the
// first that is sound cannot.
func newEar(terms Terms, rate int, log *slog.Logger) (*ear, error) {
	e := &ear{rate: rate, sends: terms.Sends, steady: terms.steady, log: log}
	for _, f := range e.sends {
		if !f.Sound() || f.PT > 127 {
			continue
		}
		v, err := newVoice(f, rate)
		if err != nil {
			if len(e.voices) == 0 {
				return nil, err
			}
			continue // comes seldom if ever: dropped when it does
		}
		e.voices = append(e.voices, v)
		e.byPT[f.PT] = uint8(len(e.voices))
	}
	e.keys = newKeyEar(rate, terms.keys)
	if len(e.voices) == 0 {
		return nil, fmt.Errorf("%w: the party sends no sound", ErrCannotBridge)
	}
	return e, nil
}

// serves tells whether the ear will do for a party.
func (e *ear) serves(t Terms) bool {
	return slices.Equal(e.sends, t.Sends) && (e.keys == nil) == (t.keys == nil)
}

func newVoice(f codec.Format, rate int) (voice, error) {
	d, err := codec.NewDecoderAt(f, rate)
	if err != nil {
		return voice{}, err
	}
	if d.Rate() < slowest || d.Rate() > mixMost {
		return voice{}, fmt.Errorf("%v: %w at %d Hz: agree on 8000 to 48000", f, ErrCannotBridge, d.Rate())
	}
	r, err := resample.New(d.Rate(), rate)
	if err != nil {
		return voice{}, fmt.Errorf("%v: %w", f, err)
	}
	filler, ok := d.(codec.Concealer)
	if !ok {
		filler = conceal.New(d.Rate())
	}
	return voice{format: f, decoder: d, filler: filler, resampler: r}, nil
}

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
	case ahead < -int64(ticks(late, e.clock)), ahead > int64(ticks(leap, e.clock)):
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

// decode takes the first of the shelf into the fifo.
func (e *ear) decode() {
	p := e.shelf.first()
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
	e.fifo = v.resampler.Append(e.fifo, e.raw[:n])
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
		before := len(e.fifo)
		e.fifo = v.resampler.Append(e.fifo, e.raw[:n])
		e.hearing.Concealed += uint64(len(e.fifo) - before)
	}
}

// longestFill is what a codec makes up at once.
const longestFill = 60 * time.Millisecond

// fill fills a hole of so many ticks before the first of the shelf, the end of
// it from that packet when it brings a copy.
func (e *ear) fill(hole int64) {
	p := e.shelf.first()
	copied := min(hole, e.usual())
	v := &e.voices[p.voice]
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
		e.fifo = v.resampler.Append(e.fifo, e.raw[:n])
	}
	e.next += hole
}

// heard gives the counts.
func (e *ear) heard() Hearing {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hearing
}

// samplesIn gives the number of samples in a time.
func samplesIn(d time.Duration, rate int) int {
	return int(d * time.Duration(rate) / time.Second)
}
