package peer

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"tincan/e2e/tone"
)

// Packet is one of RTP (RFC 3550 5.1) as it came.
type Packet struct {
	At      time.Time
	PT      uint8
	Marker  bool
	Seq     uint16
	Time    uint32
	SSRC    uint32
	Payload []byte
}

const (
	packetTime    = 20 * time.Millisecond
	packetSamples = 160
	rtpHeader     = 12
	markerBit     = 0x80

	// firstRTCP to lastRTCP are RTCP's where both come to one port (RFC 5761 4).
	firstRTCP, lastRTCP = 64, 95
)

// bytes writes it.
func (k Packet) bytes() []byte {
	b := make([]byte, rtpHeader, rtpHeader+len(k.Payload))
	b[0], b[1] = 2<<6, k.PT
	if k.Marker {
		b[1] |= markerBit
	}
	binary.BigEndian.PutUint16(b[2:], k.Seq)
	binary.BigEndian.PutUint32(b[4:], k.Time)
	binary.BigEndian.PutUint32(b[8:], k.SSRC)
	return append(b, k.Payload...)
}

// Spoil makes of the nth good packet those that are sent.
type Spoil func(n int, good Packet) []Packet

// Spoil sets what becomes of its packets from now on; nil: they are good.
func (p *Plain) Spoil(s Spoil) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = s
}

// speak says the tone until the end: a packet every 20 ms, by the clock.
func (p *Plain) speak() {
	next, ssrc, spoiled := time.Now(), uint32(p.Port), 0
	for n := 0; ; n++ {
		next = next.Add(packetTime)
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-p.done:
			timer.Stop()
			return
		}
		at := n * packetSamples % len(p.said)
		good := Packet{PT: p.law.pt, Seq: uint16(n), Time: uint32(n * packetSamples), SSRC: ssrc, Payload: p.said[at : at+packetSamples]}
		p.mu.Lock()
		to, spoil := p.to, p.spoil
		p.mu.Unlock()
		packets := []Packet{good}
		if spoil != nil {
			packets = spoil(spoiled, good)
			spoiled++
		}
		for _, k := range packets {
			if to.IsValid() {
				_, _ = p.rtp.WriteToUDPAddrPort(k.bytes(), to) // refused once the call is over
			}
		}
	}
}

// hear keeps what comes until the socket closes.
func (p *Plain) hear() {
	b := make([]byte, 1<<16)
	for {
		n, err := p.rtp.Read(b)
		if err != nil {
			select {
			case <-p.done:
				return
			default:
				continue // told that what it said was refused
			}
		}
		pt := b[1] &^ markerBit
		if n < rtpHeader || pt >= firstRTCP && pt <= lastRTCP {
			continue
		}
		k := Packet{
			At: time.Now(), PT: pt, Marker: b[1]&markerBit != 0, Seq: binary.BigEndian.Uint16(b[2:]),
			Time: binary.BigEndian.Uint32(b[4:]), SSRC: binary.BigEndian.Uint32(b[8:]),
			Payload: append([]byte(nil), b[rtpHeader:n]...),
		}
		p.mu.Lock()
		p.heard = append(p.heard, k)
		p.mu.Unlock()
	}
}

// Heard is what it was sent so far.
func (p *Plain) Heard() []Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Packet(nil), p.heard...)
}

// Sound is what packets of one stream sound like, by their times; silence where
// there is none.
func (p *Plain) Sound(heard []Packet) tone.Sound {
	s := tone.Sound{Rate: 8000}
	for _, k := range heard {
		at := int(int32(k.Time - heard[0].Time))
		if k.PT != p.law.pt || at < 0 || at > len(s.Samples)+maxHole {
			continue
		}
		pcm := p.law.back(k.Payload)
		if missing := at + len(pcm.Samples) - len(s.Samples); missing > 0 {
			s.Samples = append(s.Samples, make([]float64, missing)...)
		}
		copy(s.Samples[at:], pcm.Samples)
	}
	return s
}

// maxHole bounds the silence that a packet from far in the future makes: a minute.
const maxHole = 60 * 8000

// Hears waits until a tone has been heard since a packet, for more than d, and tells
// how many packets there are then.
func (p *Plain) Hears(t testing.TB, since int, hz float64, d time.Duration) int {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(earPoll)
	defer ticker.Stop()
	for {
		heard := p.Heard()
		if len(heard) > since && p.Sound(heard[since:]).Longest(hz) >= d {
			return len(heard)
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s did not hear %v Hz for %v in time; it was sent %d packets since", p.name, hz, d, len(heard)-since)
		}
	}
}

// Stream says what is wrong with the order of packets as one stream: nothing is when
// they have one SSRC, sequence numbers without a hole, and times that never go back
// and have no hole of more than hole. Longest is the longest time in which none came.
func Stream(heard []Packet, hole time.Duration) (wrong []string, longest time.Duration) {
	for i := 1; i < len(heard); i++ {
		a, b := heard[i-1], heard[i]
		longest = max(longest, b.At.Sub(a.At))
		missing := int(int32(b.Time-a.Time)) - len(a.Payload) // samples
		switch {
		case a.SSRC != b.SSRC:
			wrong = append(wrong, fmt.Sprintf("packet %d: SSRC %x after %x", i, b.SSRC, a.SSRC))
		case b.Seq != a.Seq+1:
			wrong = append(wrong, fmt.Sprintf("packet %d: sequence %d after %d", i, b.Seq, a.Seq))
		case missing < 0 || time.Duration(missing)*packetTime > hole*packetSamples:
			wrong = append(wrong, fmt.Sprintf("packet %d: time %d after %d and %d samples", i, b.Time, a.Time, len(a.Payload)))
		}
	}
	return wrong, longest
}

// Click is the worst of what a sound has beside hz, in dB of the whole, and how long
// after its begin.
func Click(s tone.Sound, hz float64) (worst float64, at time.Duration) {
	worst = math.Inf(-1)
	for i, db := range s.Beside(hz, packetTime) {
		if db > worst {
			worst, at = db, time.Duration(i)*packetTime
		}
	}
	return worst, at
}
