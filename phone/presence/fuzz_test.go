package presence

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

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

// FuzzStatus: what a device publishes comes back from its table as it was; what is no
// UTF-8, which no document has, comes back once changed and then the same.
func FuzzStatus(f *testing.F) {
	f.Add("t1", "sip:101@192.0.2.7", "en", "back at <5> & \"co\"", "away", true)
	f.Add("", "", "", "\u2028\x00\ufffd", "", false)
	f.Add("\xff", "\xc0\x80", "ru", "звоню", "on-the-phone", true)
	f.Fuzz(func(t *testing.T, id, contact, lang, text, activity string, open bool) {
		note := Note{Lang: lang, Text: text}
		want := Status{
			Tuples: []Tuple{{ID: id, Open: open, Contact: contact, Notes: []Note{note}}}, Activities: []string{activity}, Notes: []Note{note},
		}
		through := func(s Status) (out Status) {
			b, err := json.Marshal(s)
			if err == nil {
				err = json.Unmarshal(b, &out)
			}
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		got := through(want)
		if !utf8.ValidString(id + "," + contact + "," + lang + "," + text + "," + activity) {
			want = got
			got = through(got)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}
