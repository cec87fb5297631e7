package g722

import "fmt"

// burst is how many bytes are made between moves of the filter's window.
const burst = 80

// Encoder encodes one stream. Its zero value is not ready: see NewEncoder.
type Encoder struct {
	low, high band
	past      [22]int32 // the samples before, for the mirror filters
}

// NewEncoder makes an encoder in the state that the Recommendation resets to.
func NewEncoder() *Encoder {
	e := &Encoder{}
	e.Reset()
	return e
}

// Reset goes back to the state of a new stream.
func (e *Encoder) Reset() { *e = Encoder{low: band{step: lowStep}, high: band{step: highStep}} }

// Clone gives an encoder that goes on from the same state.
func (e *Encoder) Clone() *Encoder {
	c := *e
	return &c
}

// Rate is the number of samples a second.
func (e *Encoder) Rate() int { return Rate }

// Frame is the number of samples in a byte.
func (e *Encoder) Frame() int { return 2 }

// Encode writes one byte for every two samples.
func (e *Encoder) Encode(dst []byte, pcm []int16) (int, error) {
	n := len(pcm) / 2
	if len(pcm)%2 != 0 {
		return 0, fmt.Errorf("g722: %d samples are half a byte too many: give an even number", len(pcm))
	}
	if len(dst) < n {
		return 0, tooShort("bytes", len(dst), n)
	}
	// window holds pairs of samples by turns from the front, so that it need
	// not move for each pair.
	var window [len(e.past) + 2*burst]int32
	for done := 0; done < n; done += burst {
		pairs := min(n-done, burst)
		copy(window[:], e.past[:])
		for i, s := range pcm[2*done : 2*(done+pairs)] {
			window[len(e.past)+i] = int32(s)
		}
		for i := range pairs {
			lowHalf, highHalf := split((*[24]int32)(window[2*i:]))
			dst[done+i] = e.encodeHigh(highHalf)<<6 | e.encodeLow(lowHalf)
		}
		copy(e.past[:], window[2*pairs:])
	}
	return n, nil
}

// split is the transmit mirror filter: one sample of each half band from the 24
// last samples.
func split(window *[24]int32) (low, high int32) {
	var odd, even int32
	for i, h := range &mirror {
		odd += window[2*i] * h
		even += window[23-2*i] * h
	}
	return (even + odd) >> 14, (even - odd) >> 14
}

// quantize is QUANTL: how many decisions the magnitude reaches.
func quantize(magnitude, step int32) int {
	low, high := 0, len(decision)
	for low < high {
		middle := (low + high) / 2
		if magnitude < decision[middle]*step>>12 {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

func (e *Encoder) encodeLow(sample int32) byte {
	b := &e.low
	difference := clip16(sample - b.estimate)
	magnitude := max(difference, -(difference + 1))
	step := quantize(magnitude, b.step)
	code := lowPositive[step]
	if difference < 0 {
		code = lowNegative[step]
	}
	quarter := code >> 2
	sent := b.step * coarse[quarter] >> 15
	b.pace(lowPace[quarter], lowMost, 8)
	b.advance(sent)
	return code
}

func (e *Encoder) encodeHigh(sample int32) byte {
	b := &e.high
	difference := clip16(sample - b.estimate)
	magnitude := max(difference, -(difference + 1))
	code := byte(3) // by sign and by size: 3 and 2 up, 1 and 0 down
	if difference < 0 {
		code = 1
	}
	if magnitude >= 564*b.step>>12 {
		code--
	}
	sent := b.step * high[code] >> 15
	b.pace(highPace[code], highMost, 10)
	b.advance(sent)
	return code
}
