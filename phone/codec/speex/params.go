package speex

import (
	"strconv"
	"strings"
)

// Params are what a receiver asks of who sends to it (RFC 5574 3). That it takes
// another bit rate from frame to frame (vbr) or descriptions of silence (cng) asks for
// nothing: it is sent neither.
type Params struct {
	// Mode is the mode that it likes best: 1 to 8 at 8 kHz, else 0 to 10; NoMode: any.
	Mode int
}

// NoMode leaves the mode to the encoder.
const NoMode = -1

// ParseParams reads an a=fmtp value for a rate. What is missing or makes no sense has
// its default.
func ParseParams(fmtp string, rate int) Params {
	for part := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "mode") {
			continue
		}
		first, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(value), `"`), ",")
		n, err := strconv.Atoi(strings.TrimSpace(first))
		if least, most := modes(rate); err == nil && n >= least && n <= most {
			return Params{Mode: n}
		}
	}
	return Params{Mode: NoMode}
}

// modes are the numbers of modes at a rate: those of the narrow band itself, or the
// steps of quality of the wider ones.
func modes(rate int) (least, most int) {
	if rate == 8000 {
		return 1, 8
	}
	return 0, 10
}
