package deck

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tincan/phone/media/file"
)

const (
	// musicAgain is the silence after music that could not be played.
	musicAgain = 5 * time.Second
	// streamQuiet ends a stream that does not begin, or that sends nothing for so
	// long while it is waited for; it is connected again.
	streamQuiet = 15 * time.Second
	// musicMost bounds how many files of a folder are played.
	musicMost = 10_000
)

// Music plays a folder's files in any order, or a stream (http or https, of MP3
// or Ogg Opus), again and again. failed is told of what cannot be played.
func Music(where string, failed func(error)) *Player {
	m := &music{where: where}
	return Play(PlayConfig{Next: m.next, Failed: func(err error) {
		m.pause = true
		failed(err)
	}})
}

// music is the player's goroutine's.
type music struct {
	where string
	list  []string
	pause bool
}

func (m *music) next() (Item, bool) {
	if m.pause {
		m.pause = false
		return Silence(musicAgain), true
	}
	if isURL(m.where) {
		return stream(m.where), true
	}
	if len(m.list) == 0 {
		if err := m.find(); err != nil {
			return func() (file.Reader, error) { return nil, err }, true
		}
	}
	first := m.list[0]
	m.list = m.list[1:]
	return File(first), true
}

func isURL(where string) bool {
	return strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://")
}

// find lists the folder.
func (m *music) find() error {
	entries, err := os.ReadDir(m.where)
	if err != nil {
		return fmt.Errorf("music: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && len(m.list) < musicMost {
			m.list = append(m.list, filepath.Join(m.where, e.Name()))
		}
	}
	if len(m.list) == 0 {
		return fmt.Errorf("music: the folder %s is empty: put files there", m.where)
	}
	rand.Shuffle(len(m.list), func(i, j int) { m.list[i], m.list[j] = m.list[j], m.list[i] })
	return nil
}

// stream opens a stream. Its name is without what may be secret in the address.
func stream(where string) Item {
	return func() (file.Reader, error) {
		name, _, _ := strings.Cut(where, "?")
		ctx, cancel := context.WithCancel(context.Background())
		quiet := time.AfterFunc(streamQuiet, cancel)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
		if err != nil {
			cancel()
			return nil, fmt.Errorf("music: %s is no address", name)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			cancel()
			return nil, fmt.Errorf("music: the stream %s cannot be reached", name)
		}
		quiet.Stop()
		body := &watched{resp.Body, quiet, cancel}
		if resp.StatusCode != http.StatusOK {
			_ = body.Close()
			return nil, fmt.Errorf("music: the stream %s answers %s", name, resp.Status)
		}
		r, err := file.New(body, name)
		if err != nil {
			_ = body.Close()
			return nil, err
		}
		return r, nil
	}
}

// watched ends a body that sends nothing to who waits for it. Who takes his time
// between two reads, because there is sound enough, is not waiting.
type watched struct {
	io.ReadCloser
	quiet  *time.Timer
	cancel context.CancelFunc
}

func (w *watched) Read(b []byte) (int, error) {
	w.quiet.Reset(streamQuiet)
	defer w.quiet.Stop()
	return w.ReadCloser.Read(b)
}

func (w *watched) Close() error {
	w.quiet.Stop()
	w.cancel()
	return w.ReadCloser.Close()
}
