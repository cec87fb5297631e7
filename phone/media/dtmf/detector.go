package dtmf

import (
	"math"
	"math/cmplx"
	"time"

	"tincan/phone/media/resample"
)

// The looks.
const (
	rate = 8000 // of the sound looked at
	look = 128  // samples: 16 ms; the window's lobe is as wide as rows are apart
	hop  = 64   // samples from one look to the next
)

// What makes looks a key (ITU-T Q.24, with margins for lines).
const (
	pressed  = 3     // looks in a row: 40 ms of tone have as many whatever their place
	released = 4     // misses in a row: as many are in a pause of 40 ms; an interruption of 10 ms has fewer
	softest  = -33.0 // dBm0 of the stronger tone; -25 must be heard
	rowTwist = 9.5   // dB by which the row may be louder; 8 must be heard
	colTwist = 5.5   // the column; 4 must be heard
	purity   = 0.75  // share of the energy that the two tones have; 0.8 where they are 1.5 % off
	tuning   = 0.025 // share by which a frequency may be off: 0.015 must be heard, 0.035 not
	waver    = 4.0   // dB by which the energy may change between two looks
)

// Event is a key that went down, or up.
type Event struct {
	Key  rune
	Down bool
	// At is the time in the stream at which it did, to 8 ms.
	At time.Duration
}

// Detector looks for keys in one stream.
type Detector struct {
	resampler *resample.Resampler // nil: the stream has 8 kHz
	sound     []int16             // of a packet at 8 kHz
	recent    []float32           // sound not yet looked at whole
	window    [look]float32
	rows      [4]probe
	columns   [4]probe
	loud      float64 // amplitude of softest
	looked    int     // looks so far

	last glimpse
	run  int // looks like last in a row
	miss int
	down rune // the key held down; 0: none
}

// probe is one frequency to look at.
type probe struct {
	hz          float64
	sin, cos    float64 // of its phase a sample
	coefficient float32
	turn        complex128 // e to the phase that a hop takes back
	value       complex128 // of this look
	before      complex128 // of the one before
}

// glimpse is what one look found.
type glimpse struct {
	key    rune // 0: none
	energy float64
}

// NewDetector makes a detector for sound at a rate.
func NewDetector(streamRate int) (*Detector, error) {
	r, err := resample.New(streamRate, rate)
	if err != nil {
		return nil, err
	}
	d := &Detector{resampler: r, loud: amplitude(softest), recent: make([]float32, 0, 4*look)}
	for i := range d.window { // Hamming
		d.window[i] = float32(0.54 - 0.46*math.Cos(2*math.Pi*(float64(i)+0.5)/look))
	}
	for i := range rows {
		d.rows[i], d.columns[i] = newProbe(rows[i]), newProbe(columns[i])
	}
	return d, nil
}

func newProbe(hz float64) probe {
	sin, cos := math.Sincos(2 * math.Pi * hz / rate)
	return probe{hz: hz, sin: sin, cos: cos, coefficient: float32(2 * cos), turn: cmplx.Rect(1, -2*math.Pi*hz/rate*hop)}
}

// Append looks at the next piece of the stream and adds what keys did to dst.
func (d *Detector) Append(dst []Event, pcm []int16) []Event {
	if d.resampler != nil {
		d.sound = d.resampler.Append(d.sound[:0], pcm)
		pcm = d.sound
	}
	for len(pcm) > 0 {
		n := min(len(pcm), look-len(d.recent))
		for _, s := range pcm[:n] {
			d.recent = append(d.recent, float32(s))
		}
		pcm = pcm[n:]
		if len(d.recent) == look {
			dst = d.judge(dst, d.look())
			d.recent = d.recent[:copy(d.recent, d.recent[hop:])]
			d.looked++
		}
	}
	return dst
}

// look gives what the last 16 ms are.
func (d *Detector) look() glimpse {
	var sound [look]float32
	energy := 0.0
	for i, s := range d.recent {
		sound[i] = s * d.window[i]
		energy += float64(sound[i]) * float64(sound[i])
	}
	if energy < look*quiet {
		return glimpse{}
	}
	measure(&d.rows, &sound)
	measure(&d.columns, &sound)
	row, column := strongest(&d.rows), strongest(&d.columns)
	g := glimpse{energy: energy}
	if d.fits(&d.rows[row], &d.columns[column], energy) {
		g.key = keys[row][column]
	}
	return g
}

// quiet is the mean square of windowed sound that is too soft to be a key, far
// below softest.
const quiet = 100.0

// measure is Goertzel's algorithm: the component of sound at each frequency. The
// four go side by side, as each step of one waits for the step before.
func measure(bank *[4]probe, sound *[look]float32) {
	ka, kb, kc, kd := bank[0].coefficient, bank[1].coefficient, bank[2].coefficient, bank[3].coefficient
	var a1, a2, b1, b2, c1, c2, d1, d2 float32
	for _, x := range sound {
		a1, a2 = x-a2+ka*a1, a1
		b1, b2 = x-b2+kb*b1, b1
		c1, c2 = x-c2+kc*c1, c1
		d1, d2 = x-d2+kd*d1, d1
	}
	bank[0].take(a1, a2)
	bank[1].take(b1, b2)
	bank[2].take(c1, c2)
	bank[3].take(d1, d2)
}

// take turns the last two steps into the component.
func (p *probe) take(s1, s2 float32) {
	p.before = p.value
	p.value = complex(float64(s1)-float64(s2)*p.cos, float64(s2)*p.sin)
}

func (p *probe) power() float64 {
	return real(p.value)*real(p.value) + imag(p.value)*imag(p.value)
}

func strongest(bank *[4]probe) int {
	best := 0
	for i := range bank {
		if bank[i].power() > bank[best].power() {
			best = i
		}
	}
	return best
}

// Of the window: what a sine of amplitude 1 gives for power and for energy.
const (
	windowSum    = 0.54 * look
	windowSquare = (0.54*0.54 + 0.46*0.46/2) * look
)

func (d *Detector) fits(row, column *probe, energy float64) bool {
	r, c := row.power(), column.power()
	if max(r, c) < d.loud*d.loud*windowSum*windowSum/4 {
		return false
	}
	twist := 10 * math.Log10(r/c)
	if twist > rowTwist || twist < -colTwist {
		return false
	}
	// A sine of amplitude 1 has power sum²/4 and energy square/2.
	if (r+c)*2*windowSquare/(windowSum*windowSum) < purity*energy {
		return false
	}
	return true
}

// tuned tells whether the phase went on from the look before as the frequency's
// does.
func (p *probe) tuned() bool {
	off := cmplx.Phase(p.value * cmplx.Conj(p.before) * p.turn)
	return math.Abs(off)*rate/(2*math.Pi*hop) < tuning*p.hz
}

// judge takes a look into account.
func (d *Detector) judge(dst []Event, g glimpse) []Event {
	if g.key != 0 && g.key == d.last.key && d.steady(g) {
		d.run++
	} else {
		d.run = min(int(g.key), 1) // 1 for the first look at a key
	}
	d.last = g
	if g.key != 0 && g.key == d.down {
		d.miss = 0
		return dst
	}
	if d.down != 0 {
		if d.miss++; d.miss >= released || d.run >= pressed {
			dst = append(dst, Event{Key: d.down, At: d.time(d.looked-d.miss) + look*time.Second/rate})
			d.down = 0
		}
	}
	if d.down == 0 && d.run >= pressed {
		d.down, d.miss = g.key, 0
		dst = append(dst, Event{Key: g.key, Down: true, At: d.time(d.looked - pressed + 1)})
	}
	return dst
}

// steady compares a look at a key with the one before.
func (d *Detector) steady(g glimpse) bool {
	change := 10 * math.Log10(g.energy/d.last.energy)
	if math.Abs(change) > waver {
		return false
	}
	return d.rows[strongest(&d.rows)].tuned() && d.columns[strongest(&d.columns)].tuned()
}

func (d *Detector) time(looks int) time.Duration {
	return time.Duration(looks) * hop * time.Second / rate
}
