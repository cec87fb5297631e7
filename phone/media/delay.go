package media

import "time"

// Bounds of what is learned about arrivals.
const (
	delayGrain  = 5 * time.Millisecond   // of the histogram
	delayMost   = 500 * time.Millisecond // a later packet than that is lost
	delayWindow = 5 * time.Second        // the quickest packet is looked for in one or two of these
	delayStall  = time.Second            // a packet so late is not: the sender paused its clock

	delayCover  = 0.98     // share of the packets that should be in time
	delayForget = 1 / .998 // how much more a packet weighs than the one before: 10 s are remembered
	delayHeavy  = 1e6      // weights are made small again at this
)

// delays learns from arrivals how long sound must wait so that nearly all of
// it is there when it is due.
//
//	transit = arrival - media time     the least of it: how quick the way can be
//	late    = transit - least          spread over a histogram that forgets
//	wanted  = what covers 98 % of it
//
// The least is that of the last 5 to 10 s, so clocks that drift apart move it
// and nothing else.
type delays struct {
	started bool
	least   [2]time.Duration // transit: in this window, in the one before
	until   time.Duration    // the window's end
	weights [delayMost / delayGrain]float32
	total   float32
	weight  float32 // of the next packet
	wanted  time.Duration
}

// quickest is the transit of the quickest packet.
func (d *delays) quickest() time.Duration { return min(d.least[0], d.least[1]) }

// arrive learns from one packet.
func (d *delays) arrive(transit, now time.Duration) {
	if !d.started || transit-d.quickest() > delayStall {
		*d = delays{started: true, least: [2]time.Duration{transit, transit}, until: now + delayWindow, weight: 1}
	}
	if now >= d.until {
		d.least[0], d.least[1], d.until = transit, d.least[0], now+delayWindow
	}
	d.least[0] = min(d.least[0], transit)
	d.learn(transit - d.quickest())
}

func (d *delays) learn(late time.Duration) {
	d.weights[min(max(int(late/delayGrain), 0), len(d.weights)-1)] += d.weight
	d.total += d.weight
	d.weight *= delayForget
	if d.weight > delayHeavy {
		for i := range d.weights {
			d.weights[i] /= delayHeavy
		}
		d.total /= delayHeavy
		d.weight /= delayHeavy
	}
	sum, enough := float32(0), d.total*delayCover
	for i, w := range d.weights {
		if sum += w; sum >= enough {
			d.wanted = time.Duration(i+1) * delayGrain
			return
		}
	}
	d.wanted = delayMost
}
