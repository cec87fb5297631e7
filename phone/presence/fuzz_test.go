package presence

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/store"
)

// FuzzList: a list that is found right comes back from its table as it was.
func FuzzList(f *testing.F) {
	f.Add("lab", "101,102")
	f.Add("a_b-9", "*43")
	f.Add("lab", "10 1,\u00a0,102")
	f.Add("lab", "1\u00a01,102")
	f.Add("9", "")
	s, err := store.Open(f.Context(), f.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close(context.Background()) })
	if err := Migrate(f.Context(), s); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, members string) {
		want := []List{{name, strings.Split(members, ",")}}
		if len((Lists{}).Check(want)) > 0 {
			t.Skip()
		}
		if err := s.Update(t.Context(), func(tx *store.Tx) error { return Lists{}.Write(tx, want, nil) }); err != nil {
			t.Fatal(err)
		}
		var got []List
		err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
			if got, err = (Lists{}).Read(tx); err != nil {
				return err
			}
			return Lists{}.Write(tx, nil, []string{name})
		})
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%v (-written +read)\n%s", err, d)
		}
	})
}
