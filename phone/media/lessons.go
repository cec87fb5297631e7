package media

import (
	"sync/atomic"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/resample"
)

// Codecs with a memory sound wrong until their decoder has heard some packets
// and their encoder has said some: both listen in for so long while packets
// are still handed on.
const (
	lessonPackets = 5
	lessonTicks   = 10 // a mix waits no longer than that for them
)

// lessons is the old path that carries on while what comes after it learns.
//
// Decoding and encoding delay sound by a few ms. When they begin, the party
// would hear so much of the sound twice, beginning anywhere in a period of the
// voice. So the mouth begins a little further back: where what the party will
// hear is like what it has just heard.
//
//	handed on   ----------------------| party has heard up to here
//	own copy    ---------|~~~~~~~|      the last 10 ms of the one are looked
//	                      shift         for in what the other would have said
type lessons struct {
	old   *path
	ear   *ear
	mouth *mouth
	over  atomic.Bool

	// Deliver's alone.
	taken  int
	heard  []int16 // what was handed on
	copied []int16 // what the party would have heard of the mouth
	mirror *mirror
}

// mirror decodes what a mouth says, as the party does.
type mirror struct {
	decoder   codec.Decoder
	resampler *resample.Resampler
	raw       []int16
}

func newLessons(old *path, e *ear, m *mouth) *lessons {
	l := &lessons{old: old, ear: e, mouth: m}
	d, err := codec.NewDecoderAt(m.format, e.rate)
	if err != nil {
		return l
	}
	if r, err := resample.New(d.Rate(), e.rate); err == nil {
		l.mirror = &mirror{d, r, make([]int16, samplesIn(longestPacket, d.Rate()))}
	}
	return l
}

// remembers tells whether a codec has a memory.
func remembers(f codec.Format) bool {
	return f.Name != "pcmu" && f.Name != "pcma" && f.Name != "l16"
}

// learn hands a packet on after having listened to it.
func (p *path) learn(l *lessons, pkt *Packet) {
	l.ear.learn(pkt, l)
	l.old.Deliver(pkt)
	if l.taken++; l.taken >= lessonPackets || l.over.Load() {
		l.ear.rewind(l.begin())
		p.lessons.Store(nil)
	}
}

// learn decodes a packet, and encodes what it says for nobody.
func (e *ear) learn(p *Packet, l *lessons) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.put(p) {
		return
	}
	for a := e.shelf.first(); a != nil; a = e.shelf.first() {
		e.next = a.time // whatever is missing: nobody hears it
		e.decode()
	}
	pcm := e.fifo[e.head:]
	l.heard = append(l.heard, pcm...)
	l.mouth.rehearse(pcm, p.Arrival, l)
	e.head = len(e.fifo)
}

// rewind goes back by so many samples that were heard already.
func (e *ear) rewind(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.head -= min(n, e.head)
}

// rehearse encodes sound without saying it.
func (m *mouth) rehearse(pcm []int16, now time.Duration, to hearer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	still := m.voice.still
	m.voice.still = nil // the encoder is to hear all
	m.voice.say(pcm, now, to)
	m.voice.still = still
}

// hear decodes what would have been said (hearer).
func (l *lessons) hear(u utterance) {
	if l.mirror == nil { // it describes no silence (rehearse)
		return
	}
	if n, err := l.mirror.decoder.Decode(l.mirror.raw, u.payload); err == nil {
		l.copied = l.mirror.resampler.Append(l.copied, l.mirror.raw[:n])
	}
}

// begin makes the mouth ready, and tells by how many samples the ear has to go
// back.
func (l *lessons) begin() int {
	shift := l.shift()
	l.mouth.mu.Lock()
	defer l.mouth.mu.Unlock()
	old := l.mouth.voice
	voice, err := newSpeech(old.format, old.ptime, old.rate)
	if err != nil {
		return 0 // has been made before: cannot be
	}
	// Whole packets, so that the next one begins with what is to be heard.
	frame := cap(voice.frame) * voice.rate / voice.encoder.Rate()
	end := len(l.heard) - shift
	voice.say(l.heard[end%frame:end], 0, nil)
	voice.frame, voice.marker, voice.still = voice.frame[:0], true, old.still
	l.mouth.voice = voice
	return shift
}

// shift finds how far back what is said from now on begins.
func (l *lessons) shift() int {
	rate := l.ear.rate
	window, missing := samplesIn(likeness, rate), len(l.heard)-len(l.copied)
	last := len(l.heard) - window
	if last < 0 {
		return 0
	}
	best, shift := -1.0, 0
	for s := max(missing, 0); s <= missing+samplesIn(longestPeriod, rate); s++ {
		from := last - s
		if from < 0 || s > samplesIn(remembered, rate) {
			break
		}
		if c := correlate(l.heard[last:], l.copied[from:from+window], max(rate/coarse, 1)); c > best {
			best, shift = c, s
		}
	}
	return shift
}
