package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/media/deck"
	"tincan/phone/media/file"
)

// tapes is what commands play into calls, record of them, or let be mixed: the
// server's, by call and kind.
type tapes struct {
	mu sync.Mutex // guards on
	on map[tape]*running
}

type tape struct{ call, kind string }

// running is one tape at work; the next of its call and kind is another.
type running struct{ stop func() }

// begin notes a tape that start begins. One that runs already is an error. Start
// is given what to call when the tape has ended by itself.
func (t *tapes) begin(key tape, start func(over func()) (stop func(), err error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.on[key]; there {
		return fmt.Errorf("call %s: tincan %s is at work already: end it with --stop", key.call, key.kind)
	}
	r := &running{}
	stop, err := start(func() { go t.forget(key, r) }) // it may end within begin
	if err != nil {
		return err
	}
	if t.on == nil {
		t.on = map[tape]*running{}
	}
	r.stop = stop
	t.on[key] = r
	return nil
}

// forget leaves alone what has begun since r was stopped.
func (t *tapes) forget(key tape, r *running) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on[key] == r {
		delete(t.on, key)
	}
}

func (t *tapes) stop(key tape) error {
	t.mu.Lock()
	r, there := t.on[key]
	delete(t.on, key)
	t.mu.Unlock()
	if !there {
		return fmt.Errorf("call %s: tincan %s is not at work", key.call, key.kind)
	}
	r.stop()
	return nil
}

// taped is what the commands answer.
type taped struct {
	Call string `json:"call"`
	File string `json:"file,omitempty"`
	Done string `json:"done"`
}

// play, record and mix are POST /play/{id}, /record/{id} and /mix/{id}.
func (s *server) play(r *http.Request) (any, error) {
	id, q := r.PathValue("id"), r.URL.Query()
	key := tape{id, "play"}
	if q.Has("stop") {
		return taped{id, "", "stopped"}, s.tapes.stop(key)
	}
	side, err := sideOf(q.Get("to"))
	if err != nil {
		return nil, err
	}
	what, language := q.Get("what"), s.cfg().Sound.Language
	item := s.prompts.Say(language, what, "")
	switch {
	case q.Has("say"):
		item = s.prompts.Speak(language, what)
	case filepath.IsAbs(what):
		item = deck.File(what)
	}
	// Opened once before it is played, so that who asks learns what is wrong.
	reader, err := item()
	if err != nil {
		return nil, err
	}
	_ = reader.Close()
	err = s.tapes.begin(key, func(over func()) (func(), error) {
		player := deck.Play(deck.PlayConfig{Next: deck.Items(item), Failed: func(err error) {
			s.log.Warn("what was to be played into a call broke off", "call", id, "error", err)
		}})
		source := player.Source()
		remove, err := s.exchange.Attach(id, call.Sound{Play: &source, Side: side, Over: func() { player.Stop(); over() }})
		if err != nil {
			player.Stop()
		}
		return remove, err
	})
	return taped{id, what, "playing"}, err
}

// sideOf reads who is to hear.
func sideOf(who string) (int, error) {
	switch who {
	case "", "both":
		return media.Both, nil
	case "caller":
		return 0, nil
	case "called":
		return 1, nil
	}
	return 0, fmt.Errorf("--to %q: write caller, called or both", who)
}

// tapeRate is the sound of recordings: wide-band.
const tapeRate = 16000

func (s *server) record(r *http.Request) (any, error) {
	id, q := r.PathValue("id"), r.URL.Query()
	key := tape{id, "record"}
	if q.Has("stop") {
		return taped{id, "", "stopped"}, s.tapes.stop(key)
	}
	path := q.Get("file")
	if path == "" {
		path = filepath.Join(s.recordings, id+"-"+strconv.FormatInt(time.Now().UnixMilli(), 36)+".wav")
	}
	stereo := !q.Has("mono")
	err := s.tapes.begin(key, func(over func()) (func(), error) { return s.recordTo(id, path, stereo, over) })
	return taped{id, path, "recording"}, err
}

// recordTo records a standing call, or a conference, until it is stopped or over.
func (s *server) recordTo(id, path string, stereo bool, over func()) (func(), error) {
	channels := 1
	if stereo {
		channels = 2
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	w, err := file.Create(path, tapeRate, channels)
	if err != nil {
		return nil, err
	}
	rec := deck.Record(func() (file.Writer, error) { return w, nil }, deck.RecordConfig{
		Rate: tapeRate, Stereo: stereo, Ended: func(got deck.Recording) { s.recorded(id, path, got); over() },
	})
	tap := rec.Tap()
	var remove func()
	if room, ok := strings.CutPrefix(id, "conference:"); ok {
		remove, err = s.rooms.Tap(room, tap, rec.Finish)
	} else {
		remove, err = s.exchange.Attach(id, call.Sound{Tap: &tap, Over: rec.Finish})
	}
	if err != nil {
		return nil, errors.Join(err, rec.Stop().Err, os.Remove(path))
	}
	return func() { remove(); rec.Finish() }, nil
}

func (s *server) recorded(id, path string, got deck.Recording) {
	log := s.log.With("call", id, "file", path, "seconds", got.Length.Seconds(), "lost", got.Lost)
	if got.Err != nil {
		log.Warn("recording broke off", "error", got.Err)
		return
	}
	log.Info("recording ended")
}

func (s *server) mix(r *http.Request) (any, error) {
	id := r.PathValue("id")
	key := tape{id, "mix"}
	if r.URL.Query().Has("stop") {
		return taped{id, "", "carried by the cheapest way again"}, s.tapes.stop(key)
	}
	err := s.tapes.begin(key, func(over func()) (func(), error) {
		return s.exchange.Attach(id, call.Sound{Over: over})
	})
	return taped{id, "", "mixed"}, err
}

func playCommand(o *options) *cobra.Command {
	var to string
	var say bool
	cmd := tapeCommand(o, "play", "ID [WHAT]", "Play a file or a recording into a call",
		`Plays a file, or a recording by its name (such as beep), into a call that stands,
over what the parties say. --stop ends it before it is over. IDs are those of
tincan calls.`, func(q url.Values, args []string) error {
			q.Set("to", to)
			if say {
				q.Set("say", "")
			}
			if len(args) < 2 {
				return errors.New("WHAT is missing: write the file to play, or the name of a recording")
			}
			q.Set("what", args[1])
			if path, err := filepath.Abs(args[1]); err == nil && !say {
				if _, err := os.Stat(path); err == nil {
					q.Set("what", path)
				}
			}
			return nil
		})
	cmd.Flags().BoolVar(&say, "say", false, "WHAT is a text, to be spoken")
	cmd.Flags().StringVar(&to, "to", "both", "who hears it: caller, called or both")
	return cmd
}

func recordCommand(o *options) *cobra.Command {
	var mono bool
	cmd := tapeCommand(o, "record", "ID [FILE]", "Record a call",
		`Records a call that stands, the caller on the left and the called on the right,
or a conference (ID conference:NAME), until --stop or its end. The file ends in
.wav or .opus; without one it goes into the folder for recordings. Mind what the
law says about recording calls.`, func(q url.Values, args []string) error {
			if mono || strings.HasPrefix(args[0], "conference:") {
				q.Set("mono", "")
			}
			if len(args) > 1 {
				path, err := filepath.Abs(args[1])
				q.Set("file", path)
				return err
			}
			return nil
		})
	cmd.Flags().BoolVar(&mono, "mono", false, "both parties on one channel")
	return cmd
}

func mixCommand(o *options) *cobra.Command {
	return tapeCommand(o, "mix", "ID", "Decode and mix a call instead of relaying it",
		`Lets the server decode and mix a call that stands, as a recording does, until
--stop: to hear what that does to it.`, func(url.Values, []string) error { return nil })
}

// tapeCommand is what the three have in common.
func tapeCommand(o *options, name, takesText, short, long string, fill func(url.Values, []string) error) *cobra.Command {
	var stop bool
	cmd := &cobra.Command{
		Use: name + " " + takesText, Short: short, Long: long, Args: takes(strings.Fields(takesText)...),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			q := url.Values{}
			if stop {
				q.Set("stop", "")
			} else if err := fill(q, args); err != nil {
				return err
			}
			return o.tape(cmd.Context(), "/"+name+"/"+url.PathEscape(args[0]), q)
		},
	}
	cmd.Flags().BoolVar(&stop, "stop", false, "end it")
	return cmd
}

// tape asks the server and says what it did.
func (o *options) tape(ctx context.Context, path string, q url.Values) (err error) {
	c, err := o.server()
	if err != nil {
		return err
	}
	defer closing(c, &err)
	var done taped
	if err := c.do(ctx, http.MethodPost, path, q, nil, &done); err != nil {
		return err
	}
	if o.json {
		return printJSON(o.out, done)
	}
	_, err = fmt.Fprintf(o.out, "call %s: %s %s\n", plain(done.Call), done.Done, plain(done.File))
	return err
}
