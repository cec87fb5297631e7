package deck

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/media/file"
)

// record makes a file of one value.
func record(t *testing.T, path string, v int16, n int) {
	t.Helper()
	w, err := file.Create(path, PlayRate, 1)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = v
	}
	if err := errors.Join(w.Write(pcm), w.Close()); err != nil {
		t.Fatal(err)
	}
}

// collect pulls until all of want were heard.
func collect(t *testing.T, next func([]int16) bool, want ...int16) {
	t.Helper()
	block := make([]int16, samples(blockTime, PlayRate))
	deadline := time.Now().Add(20 * time.Second)
	for len(want) > 0 {
		if !next(block) {
			t.Fatalf("the music ended before %v", want)
		}
		want = slices.DeleteFunc(want, func(v int16) bool { return v == block[0] })
		if time.Now().After(deadline) {
			t.Fatalf("%v is not heard", want)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestMusicOfAFolder(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		record(t, filepath.Join(dir, string(rune('a'+i))+".wav"), int16(100*(i+1)), 3200)
	}
	if err := os.WriteFile(filepath.Join(dir, "cover.jpg"), []byte("no sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 100)
	p := Music(dir, func(err error) { failed <- err })
	defer p.Stop()
	collect(t, p.Source().Next, 100, 200, 300)
	collect(t, p.Source().Next, 100, 200, 300) // and again
	if err := <-failed; !errors.Is(err, file.ErrFormat) || !strings.Contains(err.Error(), "cover.jpg") {
		t.Error(err)
	}
}

func TestMusicOfAStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	record(t, path, 500, 6400)
	wav, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/none" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(wav)
	}))
	defer s.Close()
	p := Music(s.URL+"/radio", func(err error) { t.Error(err) })
	defer p.Stop()
	collect(t, p.Source().Next, 500)

	failed := make(chan error, 10)
	p = Music(s.URL+"/none?key=secret", func(err error) { failed <- err })
	defer p.Stop()
	if err := <-failed; !strings.Contains(err.Error(), "404") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// All who listen to a station hear the same, and it rests without them.
func TestStation(t *testing.T) {
	players := 0
	s := NewStation(func() *Player {
		players++
		return Play(PlayConfig{Next: Items(item(&counting{rate: PlayRate, left: 32000, end: io.EOF}))})
	})
	a, b := s.Listen(), s.Listen()
	one, two := make([]int16, 320), make([]int16, 320)
	for i := range 20 {
		waited := 0
		for a.Next(one); one[0] == 0; a.Next(one) { // the file is being opened
			time.Sleep(time.Millisecond)
			if waited++; waited > 5000 {
				t.Fatal("silence")
			}
			b.Next(two)
		}
		for b.Next(two); two[0] == 0; b.Next(two) {
			continue
		}
		if !slices.Equal(one, two) {
			t.Fatalf("block %d: one hears %d, the other %d", i, one[0], two[0])
		}
	}
	c := s.Listen()
	if a.Next(one); !c.Next(two) || !slices.Equal(one, two) {
		t.Errorf("who comes late hears %d, the others %d", two[0], one[0])
	}
	for _, l := range []func(){a.Done, b.Done, c.Done, c.Done} {
		l()
	}
	if s.player != nil || players != 1 {
		t.Errorf("%d players, one still plays: %v", players, s.player != nil)
	}
	if d := s.Listen(); players != 2 {
		t.Error("nothing plays for who comes back")
	} else {
		d.Done()
	}
}

// A stream whose sound lasts is read seldom, and is not quiet for that; one that
// keeps its reader waiting is.
func TestQuietStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		quiet := time.AfterFunc(streamQuiet, func() { _ = out.CloseWithError(context.Canceled) })
		quiet.Stop()
		body := &watched{in, quiet, func() {}}
		go func() {
			for range 3 {
				_, _ = out.Write([]byte("x"))
			}
		}()
		for range 3 {
			if _, err := body.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * streamQuiet)
		}
		began := time.Now()
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if waited := time.Since(began); waited != streamQuiet {
			t.Errorf("given up after %v", waited)
		}
	})
}
