package app

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/media/file"
)

// untilBeep is how long the beep takes, with what stands before it.
const untilBeep = 520 * time.Millisecond

func TestCallersLeaveRoomOnTheDisk(t *testing.T) {
	folder := t.TempDir()
	if err := spare(folder, 1); err != nil {
		t.Error(err)
	}
	if err := spare(folder, math.MaxUint64); err == nil || !strings.Contains(err.Error(), "remove recordings") {
		t.Error(err)
	}
	if err := spare(folder+"/gone", 1); err == nil {
		t.Error("a folder that is gone has room")
	}
}

// What is said from the beep to # is recorded, heard again, and told.
func TestRecordAndHear(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		c := h.phones("app", "record", "memo")
		c.speaks(900)
		c.press('#') // too early: there is nothing yet
		time.Sleep(untilBeep + 2*time.Second)
		about(t, "the beep", c.hears(1000), 300*time.Millisecond)
		c.press('1') // means nothing
		c.speaks(0)
		c.press('#')
		time.Sleep(100 * time.Millisecond)
		c.press('#') // again does nothing
		told := h.events()
		if len(told) != 1 || told[0].Step != "recorded" || told[0].Call != "call-1" || told[0].Detail != "" ||
			told[0].File != filepath.Join(h.folder, "memo-call-1.wav") || told[0].Seconds < 1.9 || told[0].Seconds > 2.2 || told[0].Lost != 0 {
			t.Errorf("told: %+v", told)
		}
		time.Sleep(time.Second)
		if _, ok := c.ended(); ok {
			t.Error("hung up before it was played")
		}
		time.Sleep(2 * time.Second)
		about(t, "the recording and the beep", c.hears(900, 1000), 2*time.Second, 300*time.Millisecond)
		c.hungUp(t)
		c.leaves()
		if told := h.events(); len(told) != 0 {
			t.Errorf("told: %+v", told)
		}
	})
}

// A call that was adopted after a restart, or another of the same name, leaves what
// was recorded alone.
func TestRecordOverNothing(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for range 3 {
			c := h.phones("app", "record", "")
			time.Sleep(untilBeep + time.Second)
			c.leaves()
		}
		for _, name := range []string{"call-1.wav", "call-1-2.wav", "call-1-3.wav"} {
			if told := h.events(); len(told) != 0 && told[0].File != filepath.Join(h.folder, "call-1.wav") {
				t.Errorf("told: %+v", told)
			}
			if info, err := os.Stat(filepath.Join(h.folder, name)); err != nil || info.Size() < 16000 || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
		}
	})
}

// Where nothing can be recorded the call ends, and it is told which file and why.
func TestRecordNowhere(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		if err := os.WriteFile(h.folder, nil, 0o600); err != nil { // in the folder's place
			t.Fatal(err)
		}
		c := h.phones("app", "record", "memo")
		time.Sleep(untilBeep + time.Second)
		c.hungUp(t)
		c.press('#')
		c.leaves()
		told := h.events()
		if len(told) != 1 || told[0].Step != "failed" || !strings.Contains(told[0].Detail, h.folder) || told[0].File != "" {
			t.Errorf("told: %+v", told)
		}
	})
}

// A disk that fills up ends the recording and the call, keeps what there is, and tells.
func TestRecordOnADiskThatFillsUp(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		inHouse(t, nil, func(t *testing.T, h *house) {
			disk := &filling{room: 16000, keyed: keyed}
			h.create = disk.create
			c := h.phones("app", "record", "memo")
			c.speaks(900)
			time.Sleep(untilBeep + 500*time.Millisecond)
			if keyed {
				c.press('#')
			}
			time.Sleep(2 * time.Second)
			c.hungUp(t)
			c.leaves()
			told := h.events()
			if len(told) != 1 || told[0].Step != "recorded" || told[0].Detail != errFull.Error() || told[0].Seconds == 0 ||
				!strings.HasSuffix(told[0].File, "memo-call-1.wav") || !disk.closed {
				t.Errorf("told: %+v, closed %v", told, disk.closed)
			}
		})
	}
}

var errFull = errors.New("no space left on device")

// filling is a disk with room for some samples; keyed: it is full when the file is
// closed.
type filling struct {
	room   int
	keyed  bool
	closed bool
}

func (f *filling) create(string, int, int) (file.Writer, error) { return f, nil }

func (f *filling) Write(pcm []int16) error {
	if f.room -= len(pcm); f.room < 0 && !f.keyed {
		return errFull
	}
	return nil
}

func (f *filling) Close() error {
	if f.closed = true; f.keyed {
		return errFull
	}
	return nil
}

// Who hangs up while it is recorded has recorded what was said until then.
func TestHangUpInsteadOfAKey(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		c := h.phones("app", "record", "memo")
		c.speaks(900)
		time.Sleep(untilBeep + time.Second)
		c.leaves()
		synctest.Wait()
		told := h.events()
		if len(told) != 1 || told[0].Step != "recorded" || told[0].Seconds < 0.9 {
			t.Errorf("told: %+v", told)
		}
		r, err := file.Open(told[0].File)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		pcm := make([]int16, 32000)
		if n, err := r.Read(pcm); n < 14000 || r.Rate() != recordRate {
			t.Errorf("%d samples at %d Hz, %v", n, r.Rate(), err)
		}
	})
}
