// Package g722 is ITU-T G.722 at 64 kbit/s: 7 kHz of sound in one byte for two
// samples at 16 kHz. Its RTP clock is 8000 nevertheless (RFC 3551 4.5.2).
//
// A pair of mirror filters halves the band; each half is predicted from its
// own past, and what the prediction missed is written in steps that grow and
// shrink with the sound (block names as in the Recommendation, clause 6):
//
//	2 samples --QMF--+-- low  -(-)- QUANTL --> 6 bits --+
//	                 |          ^      |                 +--> 1 byte: hh llllll
//	                 |       predictor <- INVQAL         |
//	                 +-- high -(-)- QUANTH --> 2 bits --+
//
// The decoder runs the same predictors on the same bits, so both stay equal.
// An Encoder or Decoder belongs to one goroutine at a time.
package g722

import "fmt"

// Rate is the number of samples a second.
const Rate = 16000

func tooShort(unit string, have, want int) error {
	return fmt.Errorf("g722: room for %d %s, need %d: give a longer buffer", have, unit, want)
}
