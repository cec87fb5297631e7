package dialplan

import (
	"path/filepath"
	"testing"

	"tincan/store"
)

func TestPublicCheck(t *testing.T) {
	for name, p := range map[string]Public{
		"no name":      {"", "extension:101"},
		"an odd name":  {"the lounge", "extension:101"},
		"an at":        {"lounge@home", "extension:101"},
		"nowhere":      {"lounge", "101"},
		"a trunk":      {"lounge", "trunk:sip/0900"},
		"nothing said": {},
	} {
		if len(Publics{}.Check([]Public{p})) == 0 {
			t.Errorf("%s: %+v is taken", name, p)
		}
	}
	if found := (Publics{}).Check([]Public{{"Lounge_2.x-y", "app:echo"}}); len(found) != 0 {
		t.Errorf("%v", found)
	}
}

func TestPublicIsFoundInAnyCase(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "data"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	p, err := Open(t.Context(), Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	lounge := Public{"Lounge", "extension:101"}
	Publics{}.Normal(&lounge)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return Publics{}.Write(tx, []Public{lounge}, nil) }); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, ok := p.Public("LOUNGE"); !ok || d.String() != "extension:101" {
		t.Errorf("%v, %v", d, ok)
	}
	if _, ok := p.Public("101"); ok {
		t.Error("a number is public that is not said to be")
	}
}
