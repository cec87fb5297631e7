package media

import "tincan/phone/codec/cn"

// noiseVoice is the voice of comfort noise on the shelf.
const noiseVoice = 0xfe

// background is the comfort noise that a party describes while it says nothing
// (RFC 3389). The lock of its ear guards it.
type background struct {
	noise   *cn.Noise
	rate    int
	payload []byte
	heard   bool // until there is sound again
}

// describe takes what the first of the shelf says of the noise.
func (e *ear) describe() {
	p := e.shelf.first()
	e.background.payload = append(e.background.payload[:0], p.payload...)
	e.lastSeq, e.next, e.begun, e.debt = p.seq, p.time, true, 0
	e.shelf.drop()
	e.tuneNoise()
}

// tuneNoise makes the noise anew at the ear's rate.
func (e *ear) tuneNoise() {
	b := &e.background
	if b.noise == nil || b.rate != e.rate {
		b.noise, b.rate = cn.NewNoise(e.rate), e.rate
	}
	if err := b.noise.Update(b.payload); err != nil {
		e.hearing.Damaged++
		return
	}
	b.heard = true
}

// murmur fills dst with the noise, if there is any.
func (b *background) murmur(dst []int16) bool {
	if !b.heard {
		return false
	}
	b.noise.Fill(dst)
	return true
}
