//go:build !cgo

package speexdsp

import "errors"

// Available tells whether this build can treat sound.
const Available = false

// Processor is not in this build.
type Processor struct{}

// New errs: this build has no library.
func New(int, Options) (*Processor, error) {
	return nil, errors.New("speexdsp: echo, noise and level cannot be treated: this program was built without a C compiler or the library: `scripts/deps codecs`, then `make build`")
}

// Frame is 0.
func (p *Processor) Frame() int { return 0 }

// Process does nothing.
func (p *Processor) Process(_, _ []int16) error { return nil }
