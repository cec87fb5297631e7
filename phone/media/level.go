package media

import "math"

// Bounds of levelling, in squares of the amplitude and in ticks. The levels
// are those of 16-bit sound: 0 dB is the loudest.
const (
	noiseLeast  = 20 * 20     // -64 dB: what a quiet room has at least
	noiseMost   = 330 * 330   // -40 dB: louder than that is no background
	noiseRise   = 1.006       // a tick: the background doubles in 2.3 s if it does
	speechOver  = 8           // 9 dB above the background is speech
	speechLeast = 60 * 60     // -55 dB: fainter is none
	speechHangs = 15          // ticks that the gate stays open
	speechFirst = 4           // ticks of speech in a row after which someone speaks
	speechLast  = 50          // ticks of silence after which they have ended
	levelWanted = 3300 * 3300 // -20 dB
	levelFollow = 0.05        // share of a tick in the loudness known
	levelTurn   = 0.02        // share of the way that the gain goes in a tick
	gainLeast   = 0.5         // -6 dB
	gainMost    = 4.0         // 12 dB
)

// level knows how loud a party speaks, and whether it does.
type level struct {
	known    bool
	noise    float64 // of the background, squared
	loud     float64 // of speech, squared
	gain     float64
	hangs    int // ticks until the gate closes
	run      int // ticks of speech in a row
	rest     int // ticks of silence in a row
	speaking bool
}

// hear takes a tick of sound, and tells whether someone began or ended to
// speak by it.
func (l *level) hear(pcm []int16, says bool) (turned bool) {
	power := 0.0
	if says {
		power = meanSquare(pcm)
		l.background(power)
	}
	if says && power > max(l.noise*speechOver, speechLeast) {
		l.speech(power)
	} else {
		l.run = 0
		l.rest++
		l.hangs = max(l.hangs-1, 0)
	}
	was := l.speaking
	l.speaking = l.run >= speechFirst || was && l.rest < speechLast
	return was != l.speaking
}

func (l *level) background(power float64) {
	if !l.known {
		l.known, l.noise, l.gain = true, noiseLeast, 1
	}
	l.noise = min(max(min(power, l.noise*noiseRise), noiseLeast), noiseMost)
}

func (l *level) speech(power float64) {
	l.run++
	l.rest = 0
	l.hangs = speechHangs
	if l.loud == 0 {
		l.loud = power
	}
	l.loud += (power - l.loud) * levelFollow
	wanted := math.Sqrt(levelWanted / l.loud)
	l.gain += (min(max(wanted, gainLeast), gainMost) - l.gain) * levelTurn
}

// factor gives how much louder the party is to be made; 0 while nobody speaks.
func (l *level) factor() float64 {
	if l.hangs == 0 {
		return 0
	}
	return l.gain
}

func meanSquare(pcm []int16) float64 {
	sum := int64(0)
	for _, v := range pcm {
		sum += int64(v) * int64(v)
	}
	return float64(sum) / float64(max(len(pcm), 1))
}
