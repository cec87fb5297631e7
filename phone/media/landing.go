package media

// When packets are handed on again that were decoded before, sound steps by the delay
// of decoding and encoding, some ms, and the party's decoder is not where the packets
// expect it: a click. So a codec with a memory is decoded until nobody will hear it: in
// a pause between words.
//
//	decoded and encoded ---word---|  pause  |---word--- handed on
//	                              ^ here, or after a minute without a pause
//
// A tone or music without an end costs some decoding for so long, and steps once then.
const (
	landBelow  = -45.0 // dBov: a pause
	landUnder  = 15.0  // dB below the loudest: one too, in a room that is not silent
	landWithin = 3000  // packets: a minute
)

// landing is what is still to be said when packets are handed on again that
// were decoded before. It is for the goroutine that delivers.
type landing struct {
	ear   *ear
	mouth *mouth
	held  int     // packets that were not handed on yet
	peak  float64 // dBov, the loudest of them
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
	if l.held >= landWithin || pkt.Marker {
		return false
	}
	level, heard := l.ear.loudness(pkt)
	if l.held == 0 || level > l.peak {
		l.peak = level
	}
	return heard && level > landBelow && level > l.peak-landUnder
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
