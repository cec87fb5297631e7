package conceal

import "time"

const (
	// compared is the length of sound that is held against itself.
	compared = 20 * time.Millisecond
	// coarse is the rate at which the pitch is first looked for: half of it would
	// not tell which multiple of a high tone's period is nearly whole.
	coarse = 8000
	// mostCoarse is how many samples there are at the coarse rate: compared and
	// the longest period, with some room for rates that do not divide.
	mostCoarse = 320
)

// pitch gives the period of the voice at the end of pcm in samples: the lag at
// which it is most like itself. Where little is known, the end alone is compared.
func pitch(pcm []int16, rate int) int {
	low := samples(shortest, rate)
	high := max(min(samples(longest, rate), len(pcm)-low), low)
	window := min(samples(compared, rate), len(pcm)-high)
	if window < low {
		return low
	}
	step := max(rate/coarse, 1)
	var slow [mostCoarse]float32
	n := min((window+high)/step, len(slow))
	for i := range n {
		slow[i] = mean(pcm[len(pcm)-(n-i)*step:][:step])
	}
	most := min(high/step, n-1)
	near := step * best(low/step, most, func(lag int) float32 { return alike(slow[:n], lag, n-most, 1) })
	return best(max(near-step, low), min(near+step, high), func(lag int) float32 {
		return alike(pcm, lag, window, step)
	})
}

func mean(pcm []int16) float32 {
	sum := 0
	for _, s := range pcm {
		sum += int(s)
	}
	return float32(sum) / float32(len(pcm))
}

// best gives the number from low to high with the greatest merit; the highest
// when all are as good.
func best(low, high int, merit func(int) float32) int {
	found, most := high, merit(high)
	for n := low; n < high; n++ {
		if m := merit(n); m > most {
			found, most = n, m
		}
	}
	return found
}

// alike is how much the last n samples, every stride-th of them, resemble those
// before by lag: the correlation by the root of the energy, squared with its
// sign.
func alike[T int16 | float32](pcm []T, lag, n, stride int) float32 {
	var both, energy float32
	for i := len(pcm) - n; i < len(pcm); i += stride {
		a, b := float32(pcm[i]), float32(pcm[i-lag])
		both += a * b
		energy += b * b
	}
	if energy == 0 || both < 0 {
		return -both * both
	}
	return both * both / energy
}
