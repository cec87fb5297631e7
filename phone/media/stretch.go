package media

import (
	"math"
	"time"
)

// Time scaling takes out or repeats one stretch of sound that is like the
// stretch next to it: a period of the voice, or several.
//
//	stretch   past |head      future        compress  |head
//	          [ p ]|[ p ]                             [ p ][ p ]
//	            +----- fade -> put in before head       +-fade-+ -> in place of both
const (
	shortestPeriod = 2500 * time.Microsecond // 400 Hz
	longestPeriod  = 15 * time.Millisecond   // 66 Hz
	likeness       = 10 * time.Millisecond   // compared so long
	alike          = 0.8                     // correlation at which a seam is not heard
	faint          = 60                      // mean amplitude that may be cut anywhere: -55 dB
	coarse         = 8000                    // samples a second that the first search looks at
)

// period looks for the shift, within the bounds of a voice's period, at which
// x around head is most like itself: its past when back is set, else what
// comes. It gives the correlation with it, 1 for silence.
func period(x []int16, head, rate int, back bool) (shift int, correlation float64) {
	low, high := samplesIn(shortestPeriod, rate), samplesIn(longestPeriod, rate)
	window, stride := samplesIn(likeness, rate), max(rate/coarse, 1)
	if back {
		high = min(high, head)
	} else {
		high = min(high, len(x)-head-window)
	}
	window = min(window, len(x)-head)
	if high < low || window < low {
		return 0, 0
	}
	if meanAmplitude(x[head:head+window]) < faint {
		return high, 1
	}
	at := func(shift, stride int) float64 {
		other := head + shift
		if back {
			other = head - shift
		}
		return correlate(x[head:head+window], x[other:other+window], stride)
	}
	correlation = -1
	for s := low; s <= high; s += stride {
		if c := at(s, stride); c > correlation {
			shift, correlation = s, c
		}
	}
	if stride == 1 {
		return shift, correlation
	}
	correlation = -1
	for s, end := max(shift-stride, low), min(shift+stride, high); s <= end; s++ {
		if c := at(s, 1); c > correlation {
			shift, correlation = s, c
		}
	}
	return shift, correlation
}

func meanAmplitude(x []int16) int {
	sum := 0
	for _, v := range x {
		sum += max(int(v), -int(v))
	}
	return sum / max(len(x), 1)
}

// correlate gives the normalised correlation, from -1 to 1.
func correlate(a, b []int16, stride int) float64 {
	var ab, aa, bb float64
	for i := 0; i < len(a) && i < len(b); i += stride {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// fade writes to dst what begins as from and ends as to, all of one length.
func fade(dst, from, to []int16) {
	n := len(dst)
	for i := range dst {
		dst[i] = int16((int(from[i])*(n-i) + int(to[i])*i) / n)
	}
}

// prolong puts n samples in at head: the n before it once more, joined to what
// comes. It needs n samples before head and n after it.
func prolong(x []int16, head, n int) []int16 {
	end := len(x)
	for range n {
		x = append(x, 0)
	}
	copy(x[head+n:], x[head:end])
	// x[head+n:] is what comes; what was put in begins like it and ends like
	// what came before it.
	fade(x[head:head+n], x[head+n:head+2*n], x[head-n:head])
	return x
}

// shorten takes n samples out at head. It needs 2n samples after it.
func shorten(x []int16, head, n int) []int16 {
	fade(x[head+n:head+2*n], x[head:head+n], x[head+n:head+2*n])
	return x[:head+copy(x[head:], x[head+n:])]
}
