package rtp

import (
	"encoding/binary"
	"time"
)

// SenderInfo is the part of a sender report on what was sent (RFC 3550 6.4.1):
// NTP time, RTP time, packets, octets.
type SenderInfo []byte

// Middle gives the middle 32 bits of the NTP time, by which a report block
// names this report.
func (s SenderInfo) Middle() uint32 { return binary.BigEndian.Uint32(s[2:]) }

// Time gives the RTP time that goes with the NTP time.
func (s SenderInfo) Time() uint32 { return binary.BigEndian.Uint32(s[8:]) }

// SetTime changes the RTP time.
func (s SenderInfo) SetTime(t uint32) { binary.BigEndian.PutUint32(s[8:], t) }

// Block is a report block: how the stream of one SSRC is received (RFC 3550
// 6.4.1).
type Block []byte

// SSRC names the stream reported on.
func (b Block) SSRC() uint32 { return binary.BigEndian.Uint32(b) }

// SetSSRC changes it.
func (b Block) SetSSRC(ssrc uint32) { binary.BigEndian.PutUint32(b, ssrc) }

// Fraction is the share of packets lost since the last report, in 256ths.
func (b Block) Fraction() uint8 { return b[4] }

// Lost is how many packets were lost since the beginning; duplicates can make
// it negative.
func (b Block) Lost() int32 { return int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8 }

// Highest is the highest sequence number received, with the count of its
// cycles above it.
func (b Block) Highest() uint32 { return binary.BigEndian.Uint32(b[8:]) }

// SetHighest changes it.
func (b Block) SetHighest(n uint32) { binary.BigEndian.PutUint32(b[8:], n) }

// Jitter is in ticks of the stream's clock.
func (b Block) Jitter() uint32 { return binary.BigEndian.Uint32(b[12:]) }

// LastReport is the Middle of the last sender report received, or 0.
func (b Block) LastReport() uint32 { return binary.BigEndian.Uint32(b[16:]) }

// Delay is how long ago that was.
func (b Block) Delay() time.Duration {
	return time.Duration(uint64(binary.BigEndian.Uint32(b[20:])) * uint64(time.Second) >> 16)
}

// Report is what a party that sends and receives says every few seconds.
type Report struct {
	SSRC  uint32
	CNAME string

	// Sent, when its Packets are not 0, makes it a sender report.
	Sent Sent
	// Received is nil when nothing was.
	Received *Received
}

// Sent is what was sent under Report.SSRC.
type Sent struct {
	At      time.Time
	Time    uint32 // RTP time at At
	Packets uint32
	Octets  uint32
}

// Received is how the other party's stream comes in.
type Received struct {
	SSRC       uint32
	Fraction   uint8 // 256ths
	Lost       int32 // clamped to 24 bits
	Highest    uint32
	Jitter     uint32 // ticks
	LastReport uint32
	Delay      time.Duration
}

// ntpEpoch is 1900 in seconds before 1970 (RFC 3550 4).
const ntpEpoch = 2208988800

// NTP gives a time as seconds since 1900 with 32 bits of fraction.
func NTP(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// Append adds the compound packet to b: SR or RR, then SDES with the CNAME
// (RFC 3550 6.1).
func (r *Report) Append(b []byte) []byte {
	start, kind := len(b), byte(typeRR)
	if r.Sent.Packets > 0 {
		kind = typeSR
	}
	b = append(b, version, kind, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.SSRC)
	if kind == typeSR {
		b = r.Sent.append(b)
	}
	if r.Received != nil {
		b[start]++ // the count of blocks
		b = r.Received.append(b)
	}
	return r.appendName(closed(b, start))
}

func (s *Sent) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, NTP(s.At))
	b = binary.BigEndian.AppendUint32(b, s.Time)
	b = binary.BigEndian.AppendUint32(b, s.Packets)
	return binary.BigEndian.AppendUint32(b, s.Octets)
}

func (r *Received) append(b []byte) []byte {
	const most = 1<<23 - 1 // of 24 bits with sign
	lost := uint32(min(max(r.Lost, -most), most)) & 0xffffff
	b = binary.BigEndian.AppendUint32(b, r.SSRC)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Fraction)<<24|lost)
	b = binary.BigEndian.AppendUint32(b, r.Highest)
	b = binary.BigEndian.AppendUint32(b, r.Jitter)
	b = binary.BigEndian.AppendUint32(b, r.LastReport)
	return binary.BigEndian.AppendUint32(b, uint32(r.Delay<<16/time.Second))
}

// appendName adds the source description with its one item, CNAME.
func (r *Report) appendName(b []byte) []byte {
	const cname = 1
	start := len(b)
	b = append(b, version|1, typeSDES, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.SSRC)
	b = append(b, cname, byte(len(r.CNAME)))
	b = append(b, r.CNAME...)
	b = append(b, 0)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	return closed(b, start)
}

// closed writes the length in words, less one, of the packet from start on.
func closed(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16((len(b)-start)/4-1))
	return b
}
