package speex

import (
	"errors"
	"fmt"
)

// Lengths in bits. lowBits is by mode, with its 5 bits of header; a mode past 8
// is none or no sound. highBits is by submode, with its 4 bits of header.
var (
	lowBits  = [9]int{5, 43, 119, 160, 220, 300, 364, 492, 79}
	highBits = [5]int{4, 36, 112, 192, 352}
)

// Modes that are no sound (RFC 5574 3.1; the Speex manual, 5.6 and 9).
const (
	modeUser     = 13 // bytes of an application's own
	modeInBand   = 14 // a request to the decoder
	modeTerminal = 15 // the end: padding follows
)

var errCut = errors.New("speex: payload ends inside a frame")

// walker reads a payload's structure bit by bit.
type walker struct {
	payload []byte
	at      int // in bits
}

func (w *walker) left() int { return 8*len(w.payload) - w.at }

// take gives the next n bits, at most 8.
func (w *walker) take(n int) int {
	value := 0
	for range n {
		value = value<<1 | int(w.payload[w.at/8]>>(7-w.at%8))&1
		w.at++
	}
	return value
}

// frames gives the number of whole frames in a payload of up to so many layers
// above the narrow band that its decoder hears (0 at 8 kHz, 1 at 16, 2 at 32),
// or why it is damaged.
func frames(payload []byte, layers int) (int, error) {
	w := walker{payload: payload}
	for n := 0; ; n++ {
		ok, err := w.frame(layers)
		switch {
		case err != nil:
			return 0, fmt.Errorf("%w (frame %d of %d bytes)", err, n, len(payload))
		case !ok && n == 0:
			return 0, fmt.Errorf("speex: payload of %d bytes has no frame", len(payload))
		case !ok:
			return n, nil
		}
	}
}

// frame walks over one frame. It is false at the payload's end.
func (w *walker) frame(layers int) (bool, error) {
	for {
		// A decoder passes over the layers above it that the frame before has.
		for above := layers; w.left() >= 5 && w.peek() == 1; above++ {
			if above == 2 {
				return false, errors.New("speex: more than two layers above the narrow band")
			}
			// The library stumbles over empty ones (1.2.1).
			if err := w.high(above+1, 1); err != nil {
				return false, err
			}
		}
		if w.left() < 5 {
			return false, nil
		}
		w.take(1)
		switch mode := w.take(4); {
		case mode == modeTerminal:
			return false, nil
		case mode == modeInBand || mode == modeUser:
			if !w.message(mode) {
				return false, nil
			}
		case mode >= len(lowBits):
			return false, fmt.Errorf("speex: mode %d is not known", mode)
		default:
			return w.sound(mode, layers)
		}
	}
}

func (w *walker) peek() int {
	bit := w.take(1)
	w.at--
	return bit
}

func (w *walker) sound(mode, layers int) (bool, error) {
	if w.at += lowBits[mode] - 5; w.left() < 0 {
		return false, errCut
	}
	for layer := range layers {
		if w.left() < 4 || w.peek() == 0 {
			break
		}
		if err := w.high(layer+1, 0); err != nil {
			return false, err
		}
	}
	return true, nil
}

// high walks over a layer of submode least or more.
func (w *walker) high(layer, least int) error {
	w.take(1)
	submode := w.take(3)
	if submode < least || submode >= len(highBits) || layer == 2 && submode > 1 {
		return fmt.Errorf("speex: submode %d is not known", submode)
	}
	if w.at += highBits[submode] - 4; w.left() < 0 {
		return errCut
	}
	return nil
}

// message walks over what is no sound. It is false when the payload ends in it.
func (w *walker) message(mode int) bool {
	if w.left() < 4 {
		return false
	}
	code := w.take(4)
	size := 5 + 8*code // user: so many bytes
	if mode == modeInBand {
		size = [8]int{1, 4, 4, 4, 8, 16, 32, 64}[code/2]
	}
	w.at += size
	return w.left() >= 0
}
