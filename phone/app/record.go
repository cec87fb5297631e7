package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tincan/phone/call"
	"tincan/phone/event"
	"tincan/phone/media"
	"tincan/phone/media/deck"
	"tincan/phone/media/file"
	"tincan/phone/media/tones"
)

const (
	// recordRate is that of wide-band phones; a minute is 1.9 MB of WAV.
	recordRate = 16000
	// recordMost is the longest recording.
	recordMost = time.Hour
	// recordLeaves is what a disk must have free, in bytes, before callers may record
	// on it: others need it too, and a public number may be called by anybody.
	recordLeaves = 512 << 20
)

// titles are the names that a recording may be given.
var titles = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// recorder records its caller from the beep to # or the end of the call; after #
// it plays the recording, and hangs up.
type recorder struct {
	stage
	apps *Apps
	leg  *leg
	path string // the recorder's goroutine's, once there is one; so is made
	made bool   // there is a file

	mu      sync.Mutex // guards what follows
	beep    *deck.Player
	back    *deck.Player
	record  *deck.Recorder
	tap     *media.Tapping
	keyed   bool
	closing bool
}

func startRecord(a *Apps, l *leg) (program, error) {
	name := l.state.Call
	if l.state.Rest != "" {
		name = l.state.Rest + "-" + name
		if !titles.MatchString(l.state.Rest) {
			return nil, call.NotFound.Why(fmt.Sprintf("app:record/%s: a name has 1 to 64 letters, digits, _ and -", l.state.Rest))
		}
	}
	if a.config.Recordings == "" {
		return nil, call.NotFound.Why("there is no folder for recordings")
	}
	r := &recorder{stage: newStage(a), apps: a, leg: l, path: filepath.Join(a.config.Recordings, name)}
	r.beep = a.deck(l, []deck.Item{deck.Silence(200 * time.Millisecond), beep()}, r.begin)
	_, err := r.seat.Say(r.beep.Source())
	return r, err
}

// create makes the file; a call that was adopted after a restart makes another.
func (r *recorder) create() (file.Writer, error) {
	if err := os.MkdirAll(r.apps.config.Recordings, 0o700); err != nil {
		return nil, err
	}
	if err := spare(r.apps.config.Recordings, recordLeaves); err != nil {
		return nil, err
	}
	base := r.path
	r.path += ".wav"
	for i := 2; ; i++ {
		w, err := r.apps.create(r.path, recordRate, 1)
		if !errors.Is(err, fs.ErrExist) {
			r.made = err == nil
			return w, err
		}
		r.path = fmt.Sprintf("%s-%d.wav", base, i)
	}
}

// spare says whether the disk of a folder has room.
func spare(folder string, least uint64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return fmt.Errorf("the disk of %s: %w", folder, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < least {
		return fmt.Errorf("the disk of %s has %d MB free, and callers record on one with %d at least: remove recordings", folder, free>>20, least>>20)
	}
	return nil
}

func beep() deck.Item {
	return deck.Made(tones.Cadence{{Hz: 1000}}.Source(), 300*time.Millisecond)
}

// begin records, after the beep.
func (r *recorder) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return
	}
	r.record = deck.Record(r.create, deck.RecordConfig{Rate: recordRate, Most: recordMost, Ended: r.ended})
	var err error
	if r.tap, err = r.mixer.Tap(r.record.Tap()); err != nil {
		r.apps.failed(r.leg, err)
		r.leg.hangup()
	}
}

// ended tells what became of it; from the recorder's goroutine.
func (r *recorder) ended(got deck.Recording) {
	if r.made {
		r.apps.recorded(r.leg, r.path, got)
	} else {
		r.apps.failed(r.leg, got.Err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return
	}
	if !r.keyed || got.Err != nil {
		r.leg.hangup()
		return
	}
	r.back = r.apps.deck(r.leg, []deck.Item{deck.File(r.path), beep()}, r.leg.hangup)
	if _, err := r.seat.Say(r.back.Source()); err != nil {
		r.leg.hangup()
	}
}

// recorded tells of a file.
func (a *Apps) recorded(l *leg, path string, got deck.Recording) {
	e := event.Sound{Call: l.state.Call, Step: "recorded", File: path, Seconds: got.Length.Seconds(), Lost: got.Lost}
	if got.Err != nil {
		e.Detail = got.Err.Error()
		a.config.Logger.Warn("a recording broke off", "call", l.state.Call, "file", path, "seconds", e.Seconds, "error", got.Err)
	}
	a.tell(e)
}

// digit ends the recording at #.
func (r *recorder) digit(key byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key == '#' && r.record != nil && !r.keyed {
		r.keyed = true
		r.record.Finish()
	}
}

func (r *recorder) close() {
	r.mu.Lock()
	r.closing = true
	tap, record := r.tap, r.record
	for _, p := range []*deck.Player{r.beep, r.back} {
		if p != nil {
			p.Stop()
		}
	}
	r.mu.Unlock()
	if tap != nil {
		tap.Close()
	}
	if record != nil {
		record.Finish()
	}
	r.stage.close()
}
