package opus

import (
	"strconv"
	"strings"
)

// Params are what a receiver asks of who sends to it (RFC 7587 6.1).
type Params struct {
	// FEC: copies of what may get lost are welcome (useinbandfec).
	FEC bool
	// DTX: silence need not be sent (usedtx).
	DTX bool
	// CBR: packets are to be of one size (cbr).
	CBR bool
	// MaxBitrate is the most bits a second on average (maxaveragebitrate); 0:
	// no wish.
	MaxBitrate int
	// MaxRate is the sample rate beyond which nothing is heard there
	// (maxplaybackrate), 8000 to 48000.
	MaxRate int
}

// Bounds of RFC 7587 6.1.
const (
	leastBitrate, mostBitrate = 6000, 510000
	leastRate, mostRate       = 8000, 48000
)

// ParseParams reads an a=fmtp value. What is missing or makes no sense has its
// default.
func ParseParams(fmtp string) Params {
	p := Params{MaxRate: mostRate}
	for part := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			continue
		}
		switch strings.ToLower(name) {
		case "useinbandfec":
			p.FEC = n == 1
		case "usedtx":
			p.DTX = n == 1
		case "cbr":
			p.CBR = n == 1
		case "maxaveragebitrate":
			p.MaxBitrate = min(max(n, leastBitrate), mostBitrate)
		case "maxplaybackrate":
			p.MaxRate = min(max(n, leastRate), mostRate)
		}
	}
	return p
}

// Near gives the lowest rate of Opus that loses nothing of sound at a rate; the
// highest for 0.
func Near(rate int) int {
	for _, r := range [...]int{8000, 12000, 16000, 24000} {
		if 0 < rate && rate <= r {
			return r
		}
	}
	return mostRate
}

// bitrate is what speech of a bandwidth needs to sound as good as it can (RFC
// 7587 3.1.1), within the receiver's bound.
func (p Params) bitrate(rate int) int {
	bits := 32000
	switch rate = min(rate, p.MaxRate); {
	case rate <= 8000:
		bits = 12000
	case rate <= 16000:
		bits = 20000
	case rate <= 24000:
		bits = 26000
	}
	if p.MaxBitrate > 0 {
		bits = min(bits, p.MaxBitrate)
	}
	return bits
}
