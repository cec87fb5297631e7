package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// wavHeader is the length of what stands before the samples.
const wavHeader = 44

// ErrLong says that a file cannot hold more: lengths in WAV have 32 bits.
var ErrLong = errors.New("the WAV file is as long as one can be: record Ogg Opus, or begin another")

// wavWriter writes 16-bit PCM.
type wavWriter struct {
	file     *os.File
	rate     int
	channels int
	waiting  []byte // up to a second
	written  uint32 // bytes of sound
}

func newWAVWriter(f *os.File, rate, channels int) (Writer, error) {
	w := &wavWriter{file: f, rate: rate, channels: channels}
	w.waiting = make([]byte, 0, rate*channels*2)
	_, err := f.Write(w.header())
	return w, err
}

// header describes what was written so far.
func (w *wavWriter) header() []byte {
	b := make([]byte, 0, wavHeader)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, wavHeader-8+w.written)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, wavPCM)
	b = binary.LittleEndian.AppendUint16(b, uint16(w.channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.rate*w.channels*2))
	b = binary.LittleEndian.AppendUint16(b, uint16(w.channels*2))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, w.written)
}

func (w *wavWriter) Write(pcm []int16) error {
	for _, v := range pcm {
		w.waiting = binary.LittleEndian.AppendUint16(w.waiting, uint16(v))
	}
	if len(w.waiting) < w.rate*w.channels*2 {
		return nil
	}
	return w.flush()
}

// flush writes what waits, then the header that tells of it.
func (w *wavWriter) flush() error {
	if uint64(w.written)+uint64(len(w.waiting)) > math.MaxUint32-wavHeader {
		return fmt.Errorf("%s: %w", w.file.Name(), ErrLong)
	}
	n, err := w.file.WriteAt(w.waiting, wavHeader+int64(w.written))
	whole := n - n%(2*w.channels)
	w.waiting = w.waiting[:0]
	if whole == 0 {
		return err
	}
	w.written += uint32(whole)
	_, again := w.file.WriteAt(w.header(), 0)
	return errors.Join(err, again)
}

func (w *wavWriter) Close() error { return errors.Join(w.flush(), w.file.Close()) }
