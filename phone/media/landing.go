package media

// When packets are handed on again that were decoded before, sound steps by the delay
// of decoding and encoding, some ms, and the party's decoder is not where the packets
// expect it: a click. So a codec with a memory is decoded until nobody will hear it: in
// a pause between words.
//
//	decoded and encoded ---word---|  pause  |---word--- handed on
//	                              ^ here, or after 2 s without a pause
const (
	landBelow  = -45.0 // dBov: a pause
	landWithin = 100   // packets
)

// landing is what is still to be said when packets are handed on again that
// were decoded before. It is for the goroutine that delivers.
type landing struct {
	ear   *ear
	mouth *mouth
	held  int // packets that were not handed on yet
}

// land says it, before a packet, so that nothing is overtaken. It is true if the
// packet was not handed on but decoded like those before.
func (p *path) land(pkt *Packet) bool {
	l := p.landing.Load()
	if l == nil {
		return false
	}
	if pkt.Type == Media && !p.muted.Load() && l.holds(pkt) {
		l.held++
		(&transcoder{l.ear, l.mouth}).Deliver(pkt)
		return true
	}
	p.landing.Store(nil)
	l.ear.drain(l.mouth, pkt.Arrival)
	if pkt.Type == Media && l.mouth.wants() { // a packet of whole frames is filled up with what comes next
		(&transcoder{l.ear, l.mouth}).carry(pkt)
	}
	l.mouth.finish(pkt.Arrival)
	return false
}

// holds tells whether a click would be heard before the packet, and it can be made
// anew instead.
func (l *landing) holds(pkt *Packet) bool {
	return l.held < landWithin && !pkt.Marker && l.ear.amid(pkt)
}

// amid tells whether a packet goes on with sound that can be heard.
func (e *ear) amid(p *Packet) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byPT[p.Format.PT&127] != 0 && e.last > 0 && dBov(e.raw[:e.last]) > landBelow
}
