package media

import (
	"fmt"
	"time"

	"tincan/phone/codec"
	"tincan/phone/media/resample"
)

// Bounds of packets made here, in ms.
const (
	usualPtime = 20
	mostPtime  = 60 // as long as sendRoom holds
)

// mouth makes the packets that a flow accepts from sound at one rate. It
// belongs to one goroutine at a time.
type mouth struct {
	to        Flow
	format    codec.Format
	encoder   codec.Encoder
	resampler *resample.Resampler // nil copies
	frame     []int16             // at the encoder's rate; cap is one packet
	resampled []int16
	payload   []byte
	time      uint32
	marker    bool
	source    *Source
	packet    Packet
}

// newMouth makes a mouth for the flow's first sound. It errs when that cannot
// be encoded or the rate cannot be changed.
func newMouth(to Flow, terms Terms, rate int) (*mouth, error) {
	f, ok := firstSound(terms.Accepts)
	if !ok {
		return nil, fmt.Errorf("%w: the party accepts no sound", ErrCannotBridge)
	}
	m := &mouth{to: to, format: f, source: new(Source), marker: true}
	var err error
	if m.encoder, err = codec.NewEncoder(f); err != nil {
		return nil, err
	}
	if m.resampler, err = resample.New(rate, m.encoder.Rate()); err != nil {
		return nil, fmt.Errorf("%v: %w", f, err)
	}
	size := m.encoder.Rate() * packetLength(terms.Ptime) / 1000
	m.frame, m.payload = make([]int16, 0, size), make([]byte, 2*size)
	return m, nil
}

func packetLength(ptime int) int {
	if ptime <= 0 {
		return usualPtime
	}
	return min(ptime, mostPtime)
}

func firstSound(formats []codec.Format) (codec.Format, bool) {
	for _, f := range formats {
		if f.Sound() {
			return f, true
		}
	}
	return codec.Format{}, false
}

// say speaks sound; whole packets go out at once, the rest waits.
func (m *mouth) say(pcm []int16, now time.Duration) {
	if m.resampler != nil {
		m.resampled = m.resampler.Append(m.resampled[:0], pcm)
		pcm = m.resampled
	}
	m.fill(pcm, now)
}

func (m *mouth) fill(pcm []int16, now time.Duration) {
	for len(pcm) > 0 {
		n := min(len(pcm), cap(m.frame)-len(m.frame))
		m.frame = append(m.frame, pcm[:n]...)
		pcm = pcm[n:]
		if len(m.frame) == cap(m.frame) {
			m.deliver(now)
		}
	}
}

// pause leaves out n samples: as silence when it is short, which sounds better
// than a hole; else the packet begun is filled up and time goes on unspoken.
func (m *mouth) pause(n int, rate int, now time.Duration) {
	n = n * m.encoder.Rate() / rate
	short := n <= samplesIn(concealed, m.encoder.Rate())
	for n > 0 && (short || len(m.frame) > 0) {
		k := min(n, cap(m.frame)-len(m.frame))
		m.fill(make([]int16, k), now)
		n -= k
	}
	if n > 0 {
		m.time += m.ticks(n)
		m.marker = true
	}
}

func (m *mouth) deliver(now time.Duration) {
	n, err := m.encoder.Encode(m.payload, m.frame)
	if err == nil {
		m.packet = Packet{
			Format: &m.format, Payload: m.payload[:n], Time: m.time,
			Marker: m.marker, Arrival: now, Source: m.source,
		}
		m.to.Deliver(&m.packet)
	}
	m.time += m.ticks(len(m.frame))
	m.marker, m.frame = false, m.frame[:0]
}

func (m *mouth) ticks(samples int) uint32 {
	return uint32(samples * int(m.format.Clock) / m.encoder.Rate())
}

// transcoder is an ear and a mouth at the mouth's rate: it works as packets
// come, without a timer and without waiting for stragglers.
type transcoder struct {
	ear   *ear
	mouth *mouth
}

func newTranscoder(from Terms, to Flow, terms Terms) (*transcoder, error) {
	out, ok := firstSound(terms.Accepts)
	if !ok {
		return nil, fmt.Errorf("%w: the party accepts no sound", ErrCannotBridge)
	}
	encoder, err := codec.NewEncoder(out)
	if err != nil {
		return nil, err
	}
	t := &transcoder{}
	if t.ear, err = newEar(from.Sends, encoder.Rate()); err != nil {
		return nil, err
	}
	t.mouth, err = newMouth(to, terms, encoder.Rate())
	return t, err
}

// Deliver takes what the one party sends.
func (t *transcoder) Deliver(p *Packet) {
	pcm, gap, ok := t.ear.hear(p)
	if !ok {
		return
	}
	t.mouth.pause(gap, t.ear.rate, p.Arrival)
	t.mouth.say(pcm, p.Arrival)
}
