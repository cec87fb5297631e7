package quality

import (
	"math"
	"time"
)

// Conditions are what sound met on its way in one direction.
type Conditions struct {
	Codec string        // name as in SDP, lower case
	Loss  float64       // share of packets, 0 to 1
	Burst float64       // how much longer runs of losses are than random ones (BurstR); 0 or 1: not
	Delay time.Duration // mouth to ear, one way
}

// equipment is what a codec does to speech by itself, and how it bears losses
// (ITU-T G.113 appendix I).
type equipment struct{ ie, bpl float64 }

// equipmentOf gives a codec's figures. G.711 counts with concealment, which phones
// have. The narrow-band scale has none for codecs of more bandwidth, which are
// taken for as good as G.711, nor for Speex and iLBC, which are taken for G.729's
// kin; the loss figure of GSM is that of its enhanced sister.
func equipmentOf(codec string) equipment {
	switch codec {
	case "g729", "speex", "ilbc":
		return equipment{11, 19}
	case "gsm":
		return equipment{20, 10}
	}
	return equipment{0, 25.1}
}

// base is R without any impairment but the defaults' own (G.107 table 3).
const base = 93.2

// R is the rating factor of G.107, 0 to 93.2, with its default values for
// everything that Conditions do not say.
func (c Conditions) R() float64 { return max(base-c.delayed()-c.damaged(), 0) }

// damaged is Ie,eff (G.107 7.5).
func (c Conditions) damaged() float64 {
	e := equipmentOf(c.Codec)
	percent := 100 * min(max(c.Loss, 0), 1)
	if percent == 0 {
		return e.ie
	}
	return e.ie + (95-e.ie)*percent/(percent/max(c.Burst, 1)+e.bpl)
}

// delayed is Idd (G.107 7.4): what makes people talk at once. Up to 100 ms it is
// nothing.
func (c Conditions) delayed() float64 {
	ms := float64(c.Delay) / float64(time.Millisecond)
	if ms <= 100 {
		return 0
	}
	x := math.Log2(ms / 100)
	sixth := func(v float64) float64 { return math.Pow(1+math.Pow(v, 6), 1.0/6) }
	return 25 * (sixth(x) - 3*sixth(x/3) + 2)
}

// MOS is the mean opinion score of a rating (G.107 annex B): 1 bad to 4.5 best.
func MOS(r float64) float64 {
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}

// Score is the MOS of conditions.
func (c Conditions) Score() float64 { return MOS(c.R()) }
