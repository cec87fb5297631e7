package media

import (
	"sync/atomic"
	"time"

	"tincan/phone/codec"
)

// Codecs with a memory sound wrong until their decoder has heard some packets
// and their encoder has said some: both listen in for so long while packets
// are still handed on.
const (
	lessonPackets = 5
	lessonTicks   = 10 // a mix waits no longer than that for them
)

// lessons is the old path that carries on while what comes after it learns.
type lessons struct {
	old   *path
	ear   *ear
	mouth *mouth
	taken int // Deliver's alone
	over  atomic.Bool
}

// remembers tells whether a codec has a memory.
func remembers(f codec.Format) bool {
	return f.Name != "pcmu" && f.Name != "pcma" && f.Name != "l16"
}

// learn hands a packet on after having listened to it.
func (p *path) learn(l *lessons, pkt *Packet) {
	l.ear.learn(pkt, l.mouth)
	l.old.Deliver(pkt)
	if l.taken++; l.taken == lessonPackets || l.over.Load() {
		p.lessons.Store(nil)
	}
}

// learn decodes a packet, and encodes what it says for nobody.
func (e *ear) learn(p *Packet, m *mouth) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.put(p) {
		return
	}
	for a := e.shelf.first(); a != nil; a = e.shelf.first() {
		e.next = a.time // whatever is missing: nobody hears it
		e.decode()
	}
	m.rehearse(e.fifo[e.head:], p.Arrival)
	e.head = len(e.fifo)
}

// rehearse encodes sound without saying it.
func (m *mouth) rehearse(pcm []int16, now time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.voice.say(pcm, now, nil)
}
