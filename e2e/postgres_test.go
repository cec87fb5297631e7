package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tincan/store/storetest"
)

// startOnPostgres starts a server that keeps everything in a PostgreSQL of the
// test's own, which outlives it.
func startOnPostgres(t *testing.T, space string) *server {
	t.Helper()
	dsn := storetest.Start(t).Database(t)
	s := startServer(t, space, fmt.Sprintf("database = %q", dsn))
	if files, _ := filepath.Glob(filepath.Join(s.folder, "data", "*.db")); len(files) > 0 {
		t.Fatalf("the server keeps %v beside its PostgreSQL", files)
	}
	return s
}

func TestCallOnPostgres(t *testing.T) {
	t.Parallel()
	s := startOnPostgres(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	got := s.onlyRecord(t)
	wantRecord(t, got, ada, bob, "normal", "caller")
	for _, leg := range got.Legs {
		if leg.Codec != "pcmu" || leg.PacketsIn == 0 {
			t.Errorf("a leg with codec %q and %d packets, want pcmu and some", leg.Codec, leg.PacketsIn)
		}
	}
}

// TestStandingCallIsAdoptedOnPostgres: as on SQLite, and the call's record is
// one, of the whole call.
func TestStandingCallIsAdoptedOnPostgres(t *testing.T) {
	t.Parallel()
	s := startOnPostgres(t, people(ada, bob))
	a, b := baresip(t, s, ada, traced), baresip(t, s, bob, traced)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	killed := time.Now()
	s.crash(t)
	if got := len(s.registrations(t)); got != 2 {
		t.Errorf("%d registrations after the restart, want 2", got)
	}
	a.Ear().HearsBy(t, bobTone, killed.Add(soundBack))
	b.Ear().HearsBy(t, adaTone, killed.Add(soundBack))
	hangUp(t, b, a)
	b.AwaitOK(t, "BYE")
	got := s.onlyRecord(t)
	wantRecord(t, got, ada, bob, "normal", "callee")
	if !got.Answer.Before(killed) {
		t.Errorf("the record says that the call was answered at %v, after the restart", got.Answer)
	}
}
