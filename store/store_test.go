package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"tincan/store"
	"tincan/store/storetest"
)

// notes is a small owner of tables.
var notes = fstest.MapFS{
	"00001_begin.sql": {Data: []byte("-- +goose Up\nCREATE TABLE note (id TEXT PRIMARY KEY, body BYTEA, at BIGINT NOT NULL DEFAULT 0);\n")},
}

func TestBothDatabases(t *testing.T) {
	storetest.Group(t, map[string]func(*testing.T, string){
		"commit":    testCommit,
		"bad job":   testBadJob,
		"swallowed": testSwallowed,
		"update":    testUpdate,
		"view":      testView,
		"order":     testOrder,
		"migrate":   testMigrate,
		"newer":     testNewer,
		"closed":    testClosed,
		"bytes":     testBytes,
		"readonly":  testCancelledUpdate,
	})
}

func open(t *testing.T, where string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context(), "note", notes); err != nil {
		t.Fatal(err)
	}
	return s
}

func insert(id string) store.Job {
	return func(tx *store.Tx) error {
		_, err := tx.Exec("INSERT INTO note (id) VALUES (?)", id)
		return err
	}
}

// wrote waits for the end of one Write.
func wrote(s *store.Store, job store.Job) error {
	c := make(chan error, 1)
	s.Write(job, func(err error) { c <- err })
	return <-c
}

func ids(t *testing.T, s *store.Store) string {
	t.Helper()
	rows, err := s.DB().QueryContext(t.Context(), "SELECT id FROM note ORDER BY at, id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func want(t *testing.T, s *store.Store, list string) {
	t.Helper()
	if got := ids(t, s); got != list {
		t.Errorf("stored %q, want %q", got, list)
	}
}

func testCommit(t *testing.T, where string) {
	s := open(t, where)
	if err := wrote(s, insert("a")); err != nil {
		t.Fatal(err)
	}
	want(t, s, "a")
	if st := s.Status(); st.Jobs != 1 || st.Groups != 1 || st.Down {
		t.Errorf("status %+v", st)
	}
}

// One bad job in a group sinks no other.
func testBadJob(t *testing.T, where string) {
	s := open(t, where)
	started, release := make(chan struct{}), make(chan struct{})
	results := make(chan string, 8)
	s.Write(func(*store.Tx) error { close(started); <-release; return nil }, nil)
	<-started // what follows waits together and makes one group
	for _, id := range []string{"a", "b", "b", "c"} {
		s.Write(insert(id), func(err error) { results <- fmt.Sprint(id, err == nil) })
	}
	s.Write(func(*store.Tx) error { return errors.New("no") }, func(err error) { results <- err.Error() })
	close(release)
	for _, line := range []string{"atrue", "btrue", "bfalse", "ctrue", "no"} {
		if got := <-results; got != line {
			t.Errorf("done: %s, want %s", got, line)
		}
	}
	want(t, s, "a b c")
	if st := s.Status(); st.Failed != 2 || st.Down {
		t.Errorf("status %+v", st)
	}
}

// A job that ignores a failed statement fails all the same, on both databases.
func testSwallowed(t *testing.T, where string) {
	s := open(t, where)
	err := wrote(s, func(tx *store.Tx) error {
		_, _ = tx.Exec("INSERT INTO note (id) VALUES (?)", "x")
		_, _ = tx.Exec("INSERT INTO nowhere (id) VALUES (?)", "x")
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("error %v, want one that names the table", err)
	}
	want(t, s, "")
}

func testUpdate(t *testing.T, where string) {
	s := open(t, where)
	if err := s.Update(t.Context(), insert("a")); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.Lock("note"); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM note WHERE id = ?", "a").Scan(&n); err != nil || n != 1 {
			return fmt.Errorf("n = %d: %w", n, err)
		}
		if err := insert("b")(tx); err != nil {
			return err
		}
		return errors.New("changed my mind")
	})
	if err == nil || err.Error() != "changed my mind" {
		t.Errorf("error %v", err)
	}
	want(t, s, "a")
}

// A reader keeps seeing what was there when it began.
func testView(t *testing.T, where string) {
	s := open(t, where)
	count := func(tx *store.Tx) (n int) {
		if err := tx.QueryRow("SELECT count(*) FROM note").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	err := s.View(t.Context(), func(tx *store.Tx) error {
		before := count(tx)
		if err := s.Update(t.Context(), insert("a")); err != nil {
			return err
		}
		if after := count(tx); before != 0 || after != 0 {
			t.Errorf("saw %d, then %d; want 0 and 0", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.View(t.Context(), insert("b")); err == nil {
		t.Error("a View wrote")
	}
	want(t, s, "a")
}

func testOrder(t *testing.T, where string) {
	s := open(t, where)
	const n = 600 // more than two groups
	got := make(chan int, n)
	for i := range n {
		s.Write(insert(fmt.Sprintf("%03d", i)), func(err error) {
			if err != nil {
				t.Error(err)
			}
			got <- i
		})
	}
	for i := range n {
		if g := <-got; g != i {
			t.Fatalf("done of %d came where %d was due", g, i)
		}
	}
	if st := s.Status(); st.Groups >= n {
		t.Errorf("%d groups for %d jobs", st.Groups, n)
	}
}

// Every earlier version leads to the newest, with the data in it.
func testMigrate(t *testing.T, where string) {
	versions := fstest.MapFS{
		"00001_begin.sql": notes["00001_begin.sql"],
		"00002_who.sql":   {Data: []byte("-- +goose Up\nALTER TABLE note ADD COLUMN who TEXT NOT NULL DEFAULT 'nobody';\n")},
		"00003_index.sql": {Data: []byte("-- +goose Up\nCREATE INDEX note_who ON note (who);\n")},
	}
	s := open(t, where) // at version 1
	if err := s.Update(t.Context(), insert("a")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := s.Migrate(t.Context(), "note", versions); err != nil {
			t.Fatal(err)
		}
	}
	var who string
	if err := s.DB().QueryRowContext(t.Context(), "SELECT who FROM note").Scan(&who); err != nil || who != "nobody" {
		t.Errorf("who = %q, %v", who, err)
	}
	if err := s.Migrate(t.Context(), "Bad name", versions); err == nil {
		t.Error("an owner's name with a space passed")
	}
}

func testNewer(t *testing.T, where string) {
	s := open(t, where)
	newer := fstest.MapFS{
		"00001_begin.sql": notes["00001_begin.sql"],
		"00002_more.sql":  {Data: []byte("-- +goose Up\nCREATE TABLE more (id TEXT);\n")},
	}
	if err := s.Migrate(t.Context(), "note", newer); err != nil {
		t.Fatal(err)
	}
	err := s.Migrate(t.Context(), "note", notes)
	if !errors.Is(err, store.ErrNewer) {
		t.Errorf("error %v, want ErrNewer", err)
	}
}

func testClosed(t *testing.T, where string) {
	s, err := store.Open(t.Context(), where, store.Options{Synchronous: "full"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context(), "note", notes); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		s.Write(insert(fmt.Sprintf("%02d", i)), nil)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := wrote(s, insert("late")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("late: %v, want ErrClosed", err)
	}
	if list := strings.Fields(ids(t, open(t, where))); len(list) != 100 {
		t.Errorf("%d of 100 written before the close", len(list))
	}
}

// Bytes come back as they went, on SQLite too, which has no BYTEA.
func testBytes(t *testing.T, where string) {
	s := open(t, where)
	in := []byte{0, 1, 0xff, '1', '2'}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec("INSERT INTO note (id, body) VALUES (?, ?)", "a?", in)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	q := s.Rebind("SELECT body FROM note WHERE id = 'a?' AND id = ?")
	if err := s.DB().QueryRowContext(t.Context(), q, "a?").Scan(&out); err != nil || string(out) != string(in) {
		t.Errorf("got %x, %v; want %x", out, err, in)
	}
}

func testCancelledUpdate(t *testing.T, where string) {
	s := open(t, where)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, insert("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	if err := s.Update(t.Context(), insert("b")); err != nil {
		t.Fatal(err)
	}
	want(t, s, "b")
}

func TestSQLiteFileIsPrivateAndReadersCannotWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder? with 100% odd #name")
	s := open(t, dir)
	info, err := os.Stat(filepath.Join(dir, store.FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if _, err := s.DB().ExecContext(t.Context(), "DELETE FROM note"); err == nil {
		t.Error("a reader wrote")
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for where, say := range map[string]string{
		file:                            "data folder",
		"postgres://%zz":                "DSN",
		"postgres://u:pw@127.0.0.1:1/x": "u@127.0.0.1:1/x",
	} {
		_, err := store.Open(t.Context(), where, store.Options{})
		if err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v; want one with %q", where, err, say)
		}
	}
	if _, err := store.Open(t.Context(), t.TempDir(), store.Options{Synchronous: "maybe"}); err == nil {
		t.Error("synchronous = maybe passed")
	}
}
