package media

// When packets are handed on again that were decoded before, sound steps by the delay
// of decoding and encoding, some ms, and the party's decoder is not where the packets
// expect it: a click. So a codec with a memory is decoded until nobody will hear it: in
// a pause between words.
//
//	decoded and encoded ---word---|  pause  |---word--- handed on
//	                              ^ here
//
// A tone or music without an end costs some decoding for as long.
const (
	landBelow = -45.0 // dBov: a pause
	landUnder = 12.0  // dB below what is usual: one too, in a room that is not silent
	landUsual = 20    // packets that make it; a cough is shorter
)

// landing is what is still to be said when packets are handed on again that
// were decoded before. It is for the goroutine that delivers.
type landing struct {
	ear   *ear
	mouth *mouth
	waits bool    // for a pause
	usual float64 // dBov; 0: no packet has come yet
}

// land says it, before a packet, so that nothing is overtaken. It is true if the
// packet was not handed on but decoded like those before.
func (p *path) land(pkt *Packet) bool {
	l := p.landing.Load()
	if l == nil {
		return false
	}
	if pkt.Type == Media && !p.muted.Load() && l.holds(pkt) {
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
	if !l.waits || pkt.Marker {
		return false
	}
	level, heard := l.ear.loudness(pkt)
	if l.usual == 0 {
		l.usual = level
	}
	l.usual += (level - l.usual) / landUsual
	return heard && level > landBelow && level > l.usual-landUnder
}

// loudness gives the level in dBov of what came before a packet; false: nothing, or the
// packet cannot be decoded.
func (e *ear) loudness(p *Packet) (level float64, heard bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byPT[p.Format.PT&127] == 0 || e.last == 0 {
		return 0, false
	}
	return dBov(e.raw[:e.last]), true
}
