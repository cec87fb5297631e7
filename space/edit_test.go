package space_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/config/form"
	"tincan/phone/directory"
	"tincan/space"
	"tincan/store/storetest"
)

func TestEditOnBothDatabases(t *testing.T) {
	storetest.Group(t, map[string]func(*testing.T, string){
		"edit": testEdit, "edit refused": testEditRefused, "edit between": testEditBetween,
	})
}

func add(number string) func([]space.Object) ([]space.Object, error) {
	return func(all []space.Object) ([]space.Object, error) {
		return append(all, space.Object{Kind: "extension", Lines: form.Lines(&directory.ExtensionForm{Number: number, Secret: "s3cret"})}), nil
	}
}

func testEdit(t *testing.T, where string) {
	s := open(t, where, box(t, 1))
	s.apply(t, documented)
	before := s.export(t)
	change, err := s.Edit(t.Context(), "test", "ada", add("99"))
	if err != nil {
		t.Fatal(err)
	}
	want := &space.Change{Version: 2, Objects: []space.ObjectChange{{
		Action: space.Added, Kind: "extension", Key: "99",
		Fields: []space.FieldChange{{Name: "number", New: `"99"`}, {Name: "secret", New: "set"}},
	}}}
	if d := cmp.Diff(want, change); d != "" {
		t.Error(d)
	}
	if after := s.export(t); !strings.HasSuffix(after, before) {
		t.Errorf("the others changed:\n%s", after)
	}
	_, err = s.Edit(t.Context(), "test", "ada", func(all []space.Object) ([]space.Object, error) { return all[1:], nil })
	if after := s.export(t); err != nil || after != before {
		t.Errorf("%v\n%s", err, cmp.Diff(before, after))
	}
	history, err := s.History(t.Context())
	if err != nil || len(history) != 3 || history[0].Who != "ada" {
		t.Errorf("%v, history %v", err, history)
	}
}

func testEditRefused(t *testing.T, where string) {
	s := open(t, where, box(t, 1))
	s.apply(t, documented)
	before := s.export(t)
	mine := errors.New("mine")
	for want, edit := range map[string]func([]space.Object) ([]space.Object, error){
		"mine": func([]space.Object) ([]space.Object, error) { return nil, mine },
		`test: key "extension[1].number": "x" is not a number; write 1 to 20 digits in quotes instead`: add("x"),
		`test: key "route[0].from": there is no trunk "load"; add it as [[trunk]], or write one that is there instead
test: key "route[0].to": there is no trunk "load"; add it as [[trunk]], or write one that is there instead`: func(all []space.Object) ([]space.Object, error) {
			return append(all[:1:1], all[2:]...), nil
		},
	} {
		if _, err := s.Edit(t.Context(), "test", "ada", edit); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if after := s.export(t); after != before {
		t.Error(cmp.Diff(before, after))
	}
}

// testEditBetween: edits from two processes at once lose nothing of each other.
func testEditBetween(t *testing.T, where string) {
	key := box(t, 1)
	one, other := open(t, where, key), open(t, where, key)
	var first sync.Once
	_, err := one.Edit(t.Context(), "test", "one", func(all []space.Object) ([]space.Object, error) {
		first.Do(func() {
			if _, err := other.Edit(t.Context(), "test", "other", add("102")); err != nil {
				t.Error(err)
			}
		})
		return add("103")(all)
	})
	if err != nil {
		t.Fatal(err)
	}
	text := one.export(t)
	for _, n := range []string{"102", "103"} {
		if !strings.Contains(text, n) {
			t.Errorf("%s is lost:\n%s", n, text)
		}
	}
}
