// Package file reads and writes sound in files and streams.
//
//	.wav                      PCM of 8 to 32 bits, float, u-law, A-law    read and written
//	.opus .ogg                Ogg Opus (RFC 7845)                         read and written
//	.ulaw .alaw .g722 .gsm    bare payloads, as prompts are kept          read
//	.sln .sln16 .sln48 ...    bare 16-bit samples, little-endian          read
//	.mp3                      by the program mpg123, when it is installed  read
//
// What comes out of a Reader is mono. What a Writer wrote can be played up to
// its last second when the process was killed: WAV has its lengths brought up to
// date every second, Ogg is written in whole pages. Nothing here starts
// goroutines, but for one that feeds mpg123. A Reader or Writer belongs to one
// goroutine at a time.
package file

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Reader gives the sound of a file or stream.
type Reader interface {
	// Rate is the number of samples a second.
	Rate() int
	// Read fills pcm with mono sound, as far as it goes. At the end it gives
	// io.EOF; where a file is cut short, ErrCut.
	Read(pcm []int16) (n int, err error)
	// Close ends it.
	Close() error
}

var (
	// ErrFormat says that something is not sound of a kind that is read here.
	ErrFormat = errors.New("not sound that is understood")
	// ErrCut says that a file ends before it should: what was there was read.
	ErrCut = errors.New("the file is cut short")
)

// sniffed is how many bytes tell what a stream is.
const sniffed = 12

// Open opens a file: what it is, its first bytes say, else its name. The error
// wraps fs.ErrNotExist or ErrFormat.
func Open(path string) (Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := New(f, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// New reads from a stream, which Close closes. The name, or its ending alone,
// says what it is where its first bytes do not.
func New(stream io.ReadCloser, name string) (Reader, error) {
	in := input{bufio.NewReaderSize(stream, 8<<10), stream, name}
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case len(head) == sniffed && string(head[:4]) == "RIFF" && string(head[8:]) == "WAVE":
		return newWAV(in)
	case len(head) >= 4 && string(head[:4]) == "OggS":
		return newOgg(in)
	case isMP3(head):
		return newMP3(in)
	}
	return newRaw(in)
}

// input is the stream that a reader reads.
type input struct {
	*bufio.Reader
	io.Closer
	name string
}

// wrong names the file in an error.
func (in input) wrong(format string, args ...any) error {
	return fmt.Errorf("%s: %w", in.name, fmt.Errorf(format, args...))
}

// Writer takes the sound of a recording.
type Writer interface {
	// Write adds samples, those of two channels in turns. After an error the
	// file is as good as it was before, and Close is all that is left.
	Write(pcm []int16) error
	// Close completes the file. The error is that of the disk.
	Close() error
}

// Endings are those of the files that Create makes.
func Endings() []string { return []string{".wav", ".opus", ".ogg"} }

// Create makes a file for sound of a rate and of one or two channels, in the
// format that its ending names. A file that is there already is left alone: the
// error wraps fs.ErrExist.
func Create(path string, rate, channels int) (Writer, error) {
	ending := strings.ToLower(filepath.Ext(path))
	if !slices.Contains(Endings(), ending) {
		return nil, fmt.Errorf("%s: %w: recordings end in %s", path, ErrFormat, strings.Join(Endings(), ", "))
	}
	if channels != 1 && channels != 2 {
		return nil, fmt.Errorf("%s: %d channels: one or two can be written", path, channels)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	make := newWAVWriter
	if ending != ".wav" {
		make = newOggWriter
	}
	w, err := make(f, rate, channels)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close(), os.Remove(path))
	}
	return w, nil
}
