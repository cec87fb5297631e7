package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tincan/store"
	"tincan/store/storetest"
)

// watched opens a store whose events come out of the channel.
func watched(t *testing.T, where string) (*store.Store, <-chan store.Event) {
	t.Helper()
	events := make(chan store.Event, 16)
	s, err := store.Open(t.Context(), where, store.Options{Events: func(e store.Event) { events <- e }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	if err := s.Migrate(t.Context(), "note", notes); err != nil {
		t.Fatal(err)
	}
	return s, events
}

// survives takes the database away and gives it back: calls go on, nothing is lost.
func survives(t *testing.T, where string, away, back func()) {
	t.Helper()
	s, events := watched(t, where)
	if err := wrote(s, insert("before")); err != nil {
		t.Fatal(err)
	}
	away()
	for i := range 3 {
		if err := wrote(s, insert(fmt.Sprint("during", i))); !errors.Is(err, store.ErrSpooled) {
			t.Errorf("write %d while away: %v, want ErrSpooled", i, err)
		}
	}
	if e := <-events; e.State != store.Down || e.Err == nil {
		t.Errorf("event %+v, want down", e)
	}
	if err := s.Update(t.Context(), insert("refused")); !errors.Is(err, store.ErrDown) {
		t.Errorf("update while away: %v, want ErrDown", err)
	}
	if st := s.Status(); !st.Down || st.Spooled != 3 {
		t.Errorf("status %+v", st)
	}
	back()
	if e := <-events; e.State != store.Up || e.Spooled != 3 {
		t.Errorf("event %+v, want up with 3", e)
	}
	if err := wrote(s, insert("later")); err != nil {
		t.Error(err)
	}
	want(t, s, "before during0 during1 during2 later")
}

func TestLockedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	other, err := sql.Open("sqlite", filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	other.SetMaxOpenConns(1)
	exec := func(q string) func() {
		return func() {
			if _, err := other.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
	}
	survives(t, dir, exec("BEGIN IMMEDIATE"), exec("ROLLBACK"))
}

func TestFileGone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, store.FileName)
	// The log and its index belong to the file: all of them go and come back.
	move := func(from, to string) func() {
		return func() {
			for _, end := range []string{"-wal", "-shm", ""} {
				if err := os.Rename(from+end, to+end); err != nil && end == "" {
					t.Fatal(err)
				}
			}
		}
	}
	survives(t, dir, move(path, path+".away"), move(path+".away", path))
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		if os.Getenv(storetest.RequirePeers) != "" && os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skipf("NOT TESTED: mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	fill := func() {
		if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err == nil {
			t.Fatal("the small disk is not small")
		}
	}
	free := func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	survives(t, dir, fill, free)
}

func TestPostgresGone(t *testing.T) {
	c := storetest.Start(t)
	survives(t, c.Database(t), func() { c.Stop(t) }, func() { c.Start(t) })
}
