package rtp

import (
	"encoding/binary"
	"time"
)

const (
	blockMetrics = 7  // VoIP metrics (RFC 3611 4.7)
	metricsLen   = 32 // without the head of the block
	notSaid      = 127
)

// Metrics is a VoIP metrics block (RFC 3611 4.7), without its head: what the sender
// of the report thinks of the stream of one SSRC.
//
//	0      4      5         6         7         8       10      12    14
//	| SSRC | loss | discard | burst % | gap % | burst | gap | RTT | end delay |
//	16       17      18    19     20  21       22     23     24 ... 32
//	| signal | noise | RERL | Gmin | R | ext R | MOS-LQ | MOS-CQ | buffer |
type Metrics []byte

// SSRC names the stream reported on.
func (m Metrics) SSRC() uint32 { return binary.BigEndian.Uint32(m) }

// Loss is the share of packets lost on the way since the beginning, 0 to 1.
func (m Metrics) Loss() float64 { return float64(m[4]) / 256 }

// Discard is the share of packets that came too late or too early, 0 to 1.
func (m Metrics) Discard() float64 { return float64(m[5]) / 256 }

// BurstDensity is the share of packets lost or discarded within bursts, 0 to 1.
func (m Metrics) BurstDensity() float64 { return float64(m[6]) / 256 }

// Burst is how long bursts last on average.
func (m Metrics) Burst() time.Duration { return m.milliseconds(8) }

// RTT is the latest round trip between the RTP of both ends; 0: not known.
func (m Metrics) RTT() time.Duration { return m.milliseconds(12) }

// EndDelay is the delay within the reporting end: its buffer, decoder and encoder.
func (m Metrics) EndDelay() time.Duration { return m.milliseconds(14) }

// R is the rating factor, 0 to 100; ok is false when it is not said.
func (m Metrics) R() (r int, ok bool) { return int(m[20]), m[20] != notSaid }

// MOS are the scores for listening and for conversation; 0: not said.
func (m Metrics) MOS() (listening, conversation float64) { return score(m[22]), score(m[23]) }

func score(b byte) float64 {
	if b == notSaid {
		return 0
	}
	return float64(b) / 10
}

func (m Metrics) milliseconds(at int) time.Duration {
	return time.Duration(binary.BigEndian.Uint16(m[at:])) * time.Millisecond
}

// extended finds the blocks of an XR (RFC 3611 3): type, what the type says, length
// in words, content. What does not fit is passed over.
func (v *Visitor) extended(b []byte) {
	for len(b) >= 4 {
		kind, n := b[0], 4*int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if n > len(b) {
			return
		}
		if kind == blockMetrics && n == metricsLen && v.Metrics != nil {
			v.Metrics(Metrics(b[:n]))
		}
		b = b[n:]
	}
}
