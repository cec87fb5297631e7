package media

// repeater makes up sound for codecs that cannot: the last period of the
// voice again and again, fainter and fainter.
type repeater struct {
	rate    int
	past    []int16 // what was heard last
	period  int     // of the sound that is repeated; 0: nothing is made up
	at      int     // in the period
	made    int     // samples made up in a row
	overlap []int16
}

// What is made up stays as loud as it was for so many ms, and is silent after
// as many more; where real sound comes again the two overlap.
const (
	repeatLoud    = 20
	repeatFading  = 60
	repeatOverlap = 4
)

func newRepeater(rate int) *repeater {
	return &repeater{
		rate: rate, past: make([]int16, 3*samplesIn(longestPeriod, rate)),
		overlap: make([]int16, repeatOverlap*rate/1000),
	}
}

// good takes sound that came, and joins it to what was made up before it.
func (r *repeater) good(pcm []int16) {
	if r.made > 0 {
		n := min(len(r.overlap), len(pcm))
		_, _ = r.Conceal(r.overlap[:n])
		fade(pcm[:n], r.overlap[:n], pcm[:n])
	}
	r.period, r.at, r.made = 0, 0, 0
	keep := min(len(pcm), len(r.past))
	copy(r.past, r.past[keep:])
	copy(r.past[len(r.past)-keep:], pcm[len(pcm)-keep:])
}

// Conceal fills dst (codec.Concealer).
func (r *repeater) Conceal(dst []int16) (int, error) {
	if r.made == 0 {
		window := samplesIn(likeness, r.rate)
		r.period, _ = period(r.past, len(r.past)-window, r.rate, true)
	}
	loud, fading := repeatLoud*r.rate/1000, repeatFading*r.rate/1000
	for i := range dst {
		gain := min(max(loud+fading-r.made, 0), fading)
		dst[i] = 0
		if r.period > 0 {
			dst[i] = int16(int(r.past[len(r.past)-r.period+r.at]) * gain / fading)
			r.at = (r.at + 1) % r.period
		}
		r.made++
	}
	return len(dst), nil
}
