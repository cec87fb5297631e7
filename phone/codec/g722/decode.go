package g722

// Decoder decodes one stream. Its zero value is not ready: see NewDecoder.
type Decoder struct {
	low, high band
	sums      [11]int32 // of the half bands before, for the mirror filters
	gaps      [11]int32 // their differences
}

// NewDecoder makes a decoder in the state that the Recommendation resets to.
func NewDecoder() *Decoder {
	d := &Decoder{}
	d.Reset()
	return d
}

// Reset goes back to the state of a new stream.
func (d *Decoder) Reset() { *d = Decoder{low: band{step: lowStep}, high: band{step: highStep}} }

// Rate is the number of samples a second.
func (d *Decoder) Rate() int { return Rate }

// Decode writes two samples for each byte of payload.
func (d *Decoder) Decode(dst []int16, payload []byte) (int, error) {
	n := 2 * len(payload)
	if len(dst) < n {
		return 0, tooShort("samples", len(dst), n)
	}
	var sums, gaps [len(d.sums) + burst]int32
	for done := 0; done < len(payload); done += burst {
		codes := payload[done:min(done+burst, len(payload))]
		copy(sums[:], d.sums[:])
		copy(gaps[:], d.gaps[:])
		for i, code := range codes {
			low, high := d.decodeLow(code&0x3f), d.decodeHigh(code>>6)
			sums[len(d.sums)+i], gaps[len(d.gaps)+i] = low+high, low-high
			at := 2 * (done + i)
			dst[at], dst[at+1] = join((*[12]int32)(sums[i:]), (*[12]int32)(gaps[i:]))
		}
		copy(d.sums[:], sums[len(codes):])
		copy(d.gaps[:], gaps[len(codes):])
	}
	return n, nil
}

// join is the receive mirror filter: two samples from the last 12 of each half
// band.
func join(sums, gaps *[12]int32) (first, second int16) {
	var a, b int32
	for i, h := range &mirror {
		a += gaps[11-i] * h
		b += sums[i] * h
	}
	return int16(clip16(a >> 11)), int16(clip16(b >> 11))
}

func (d *Decoder) decodeLow(code byte) int32 {
	b := &d.low
	sample := clip15(b.estimate + b.step*fine[code]>>15)
	quarter := code >> 2
	sent := b.step * coarse[quarter] >> 15
	b.pace(lowPace[quarter], lowMost, 8)
	b.advance(sent)
	return sample
}

func (d *Decoder) decodeHigh(code byte) int32 {
	b := &d.high
	sent := b.step * high[code] >> 15
	sample := clip15(b.estimate + sent)
	b.pace(highPace[code], highMost, 10)
	b.advance(sent)
	return sample
}
