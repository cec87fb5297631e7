package record

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tincan/store"
	"tincan/store/storetest"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 1000, time.UTC)

func open(t testing.TB, where string) *Ledger {
	t.Helper()
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	l, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wait is a done and its wait.
func wait(t testing.TB) (done func(error), written func()) {
	c := make(chan error, 1)
	return func(err error) { c <- err }, func() {
		t.Helper()
		if err := <-c; err != nil {
			t.Fatal(err)
		}
	}
}

func sample(id string, start time.Time) Record {
	return Record{
		ID: id, Node: "n1", Start: start, Answer: start.Add(time.Second), End: start.Add(time.Minute),
		From: "extension:101", FromName: "Ada", Dialled: "102", To: "extension:102", Cause: "normal", SIPCode: 200, EndedBy: "caller", Detail: "it was said",
		Legs: []Leg{
			{
				ID: id + "a", Kind: "sip", Party: "extension:101", Device: "d", CallID: "x@y", Remote: "192.0.2.1:5060",
				Start: start, Answer: start.Add(time.Second), End: start.Add(time.Minute), Cause: "normal",
				Codec: "pcma/8000", CodecBy: "the callee's order", PacketsIn: 3000, PacketsOut: 2999, Lost: 1, JitterMS: 0.25,
			},
			{ID: id + "b", Kind: "sip", Party: "extension:102", Start: start, End: start.Add(time.Minute), Cause: "cancelled", Code: 487},
		},
	}
}

func TestBothDatabases(t *testing.T) {
	storetest.Group(t, map[string]func(*testing.T, string){
		"end":       testEnd,
		"list":      testList,
		"standing":  testStanding,
		"interrupt": testInterrupt,
		"migration": testMigration,
	})
}

func testEnd(t *testing.T, where string) {
	l := open(t, where)
	want := sample("1", noon)
	done, written := wait(t)
	l.End(want, done)
	written()
	again := want
	again.Cause = "failed"
	done, written = wait(t)
	l.End(again, done) // the first stays
	written()
	got, err := l.List(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Record{want}, got); d != "" {
		t.Error(d)
	}
}

// Records of the first version keep their legs, and standing calls their state.
func testMigration(t *testing.T, where string) {
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	begin, err := migrations.ReadFile("migrations/00001_begin.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context(), "record", fstest.MapFS{"00001_begin.sql": {Data: begin}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec("INSERT INTO record_standing (id, state) VALUES (?, ?), (?, ?)", "8", []byte("x"), "9", []byte("y"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := sample("1", noon)
	want.Legs[0].Device, want.Detail = `sip:"odd\name"@[::1]`, ""
	bare := Record{ID: "0", Node: "n1", Start: noon, End: noon, Cause: "failed"}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range []Record{want, bare} {
			if _, err := tx.Exec(`INSERT INTO record_call (id, node, started, answered, ended, caller, name, dialled, callee, cause, sip_code, ended_by)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Node, micro(r.Start), micro(r.Answer), micro(r.End),
				r.From, r.FromName, r.Dialled, r.To, r.Cause, r.SIPCode, r.EndedBy); err != nil {
				return err
			}
			for i, g := range r.Legs {
				if _, err := tx.Exec(`INSERT INTO record_leg (call_id, place, id, kind, party, device, sip_call_id, remote, started, answered, ended,
					cause, code, codec, codec_by, packets_in, packets_out, lost, jitter_ms)
					VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.ID, i, g.ID, g.Kind, g.Party, g.Device, g.CallID, g.Remote,
					micro(g.Start), micro(g.Answer), micro(g.End), g.Cause, g.Code, g.Codec, g.CodecBy,
					int64(g.PacketsIn), int64(g.PacketsOut), int64(g.Lost), g.JitterMS); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, where).List(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Record{want, bare}, got); d != "" {
		t.Error(d)
	}
	standing, err := open(t, where).Standing(t.Context())
	if d := cmp.Diff(map[string][]byte{"8": []byte("x"), "9": []byte("y")}, standing); d != "" || err != nil {
		t.Error(d, err)
	}
	if got, err := open(t, where).List(t.Context(), Filter{Party: "extension:102"}); err != nil || len(got) != 1 {
		t.Errorf("%d records of 102, %v", len(got), err)
	}
}

func testList(t *testing.T, where string) {
	l := open(t, where)
	for i := range 300 {
		r := sample(fmt.Sprintf("%03d", i), noon.Add(time.Duration(i)*time.Minute))
		switch {
		case i%100 == 1:
			r.Legs[1].Party = "extension:103"
		case i%100 == 2:
			r.From = "trunk:load"
		}
		done, written := wait(t)
		l.End(r, done)
		written()
	}
	for name, c := range map[string]struct {
		f    Filter
		want string
	}{
		"limit": {Filter{Limit: 2}, "299 298"},
		"since": {Filter{Since: noon.Add(298 * time.Minute)}, "299 298"},
		"leg":   {Filter{Party: "extension:103"}, "201 101 001"},
		"from":  {Filter{Party: "trunk:load", Limit: 2}, "202 102"},
		"none":  {Filter{Party: "trunk:none"}, ""},
	} {
		all, err := l.List(t.Context(), c.f)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range all {
			got += " " + r.ID
			if len(r.Legs) != 2 {
				t.Errorf("%s: call %s has %d legs", name, r.ID, len(r.Legs))
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if all, err := l.List(t.Context(), Filter{Limit: MaxLimit * 2}); err != nil || len(all) != 300 {
		t.Errorf("%d records, %v", len(all), err)
	}
}

func testStanding(t *testing.T, where string) {
	l := open(t, where)
	stand := func(id, state string) {
		t.Helper()
		done, written := wait(t)
		l.Stand(id, []byte(state), done)
		written()
	}
	stands := func(want map[string][]byte) {
		t.Helper()
		got, err := l.Standing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	stand("1", "old")
	stand("1", "new")
	stand("2", "x")
	stand("3", "y")
	done, written := wait(t)
	l.End(sample("2", noon), done)
	written()
	stands(map[string][]byte{"1": []byte("new"), "3": []byte("y")})
	stand("4", "z") // in the row that 2 left
	stands(map[string][]byte{"1": []byte("new"), "3": []byte("y"), "4": []byte("z")})
	done, written = wait(t)
	l.End(sample("1", noon), done)
	written()

	l = open(t, where) // as after a kill
	stands(map[string][]byte{"3": []byte("y"), "4": []byte("z")})
	stand("5", "a")
	stand("6", "b")
	stands(map[string][]byte{"3": []byte("y"), "4": []byte("z"), "5": []byte("a"), "6": []byte("b")})
	var rows int
	if err := l.store.DB().QueryRowContext(t.Context(), "SELECT count(*) FROM record_place").Scan(&rows); err != nil || rows != 4 {
		t.Errorf("%d rows for 4 calls, %v: they are not used again", rows, err)
	}
}

func testInterrupt(t *testing.T, where string) {
	l := open(t, where)
	done, written := wait(t)
	l.Stand("1", []byte{0xff, 0}, done)
	written()
	done, written = wait(t)
	l.Interrupt("1", "n1", noon, done)
	written()
	got, err := l.List(t.Context(), Filter{})
	if err != nil || len(got) != 1 || got[0].Cause != Interrupted || !got[0].Answer.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if left, err := l.Standing(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("standing %v, %v", left, err)
	}
}

// BenchmarkCall is what the store costs a call: its standing state twice, then its
// record.
func BenchmarkCall(b *testing.B) {
	l := open(b, b.TempDir())
	state := make([]byte, 3000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprint(i)
		for range 2 {
			done, written := wait(b)
			l.Stand(id, state, done)
			written()
		}
		done, written := wait(b)
		l.End(sample(id, noon), done)
		written()
	}
}
