package prompt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tincan/phone/media/file"
)

const (
	// speaker says what has no recording.
	speaker = "espeak-ng"
	// MostText bounds a text that is spoken: some minutes of speech.
	MostText = 4 << 10
	// speechTime is how long the program may take; it needs a hundredth of the
	// time that it speaks.
	speechTime = 20 * time.Second
	// speechOnce is how many may be made at a time: on a small computer, calls
	// come first.
	speechOnce = 2
	// speechRoom bounds the cache, in bytes: half an hour of speech. What was
	// not heard for longest goes first.
	speechRoom = 80 << 20
)

// ErrSpeech says that a text could not be spoken.
var ErrSpeech = errors.New("cannot be spoken")

// speech speaks texts and keeps what it said.
type speech struct {
	cache string
	slots chan struct{}
}

func newSpeech(cache string) *speech {
	return &speech{cache: cache, slots: make(chan struct{}, speechOnce)}
}

// open gives a text as sound.
func (s *speech) open(language, text string) (file.Reader, error) {
	if text = strings.TrimSpace(text); text == "" || len(text) > MostText {
		return nil, fmt.Errorf("a text of %d bytes %w: write 1 to %d", len(text), ErrSpeech, MostText)
	}
	if !languages.MatchString(language) {
		return nil, fmt.Errorf("a text in language %q %w: write a language as en, pt-br or zh", language, ErrSpeech)
	}
	sum := sha256.Sum256([]byte(language + "\n" + text))
	path := filepath.Join(s.cache, hex.EncodeToString(sum[:16])+".wav")
	if r, err := file.Open(path); err == nil {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // it is needed
		return r, nil
	}
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	if err := s.make(path, language, text); err != nil {
		return nil, err
	}
	s.clear()
	return file.Open(path)
}

// make lets the program speak into a file, which is there whole or not at all.
func (s *speech) make(path, language, text string) error {
	program, err := exec.LookPath(speaker)
	if err != nil {
		return fmt.Errorf("a text %w: %s is not installed: apt install %s", ErrSpeech, speaker, speaker)
	}
	if err := os.MkdirAll(s.cache, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.cache, "making-*.wav")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone by its new name, when all went well
	if err := f.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), speechTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-v", voice(language), "-b", "1", "-w", f.Name(), "--stdin")
	cmd.Stdin = strings.NewReader(text)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("a text in language %s %w: %s: %w: %.200s", language, ErrSpeech, speaker, err, said)
	}
	return os.Rename(f.Name(), path)
}

// voice is the program's name for a language: Chinese is Mandarin there.
func voice(language string) string {
	if language == "zh" {
		return "cmn"
	}
	return strings.ToLower(language)
}

// clear makes room.
func (s *speech) clear() {
	type kept struct {
		path string
		info fs.FileInfo
	}
	entries, err := os.ReadDir(s.cache)
	if err != nil {
		return
	}
	var all []kept
	room := int64(speechRoom)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			all = append(all, kept{filepath.Join(s.cache, e.Name()), info})
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return b.info.ModTime().Compare(a.info.ModTime()) })
	for _, k := range all {
		if room -= k.info.Size(); room < 0 {
			_ = os.Remove(k.path) // or the next time
		}
	}
}
