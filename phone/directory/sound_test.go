package directory

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"tincan/store"
)

func TestSoundIsChecked(t *testing.T) {
	got := problemsOf(Extensions{}.Check([]ExtensionForm{
		{Number: "101", DTMF: "inband", Clean: []string{"noise", "echo"}},
		{Number: "102", DTMF: "rfc2833", Clean: []string{"echo", "nois", "echo"}},
	}), Trunks{}.Check([]TrunkForm{{Name: "x", Address: "h", DTMF: "in-band", Clean: []string{"agc"}}}))
	for _, want := range []string{
		`1 dtmf: "rfc2833" is not known`, `1 clean[1]: "nois" is not known; write "noise" instead`,
		`1 clean[2]: "echo" comes twice; remove one`, `0 dtmf: "in-band" is not known; write "inband" instead`, `0 clean[0]: "agc" is not known`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 5 {
		t.Errorf("%d problems:\n%s", n, got)
	}
}

func TestSoundIsNormal(t *testing.T) {
	f := ExtensionForm{DTMF: "auto", Clean: []string{"noise", "echo"}}
	Extensions{}.Normal(&f)
	if d := cmp.Diff(ExtensionForm{Clean: []string{"echo", "noise"}}, f); d != "" {
		t.Error(d)
	}
}

// An extension of the version before has the defaults; what is set afterwards is
// found by the party's name.
func testSound(t *testing.T, where string) {
	s, b := open(t, where), box(t, 1)
	old := fstest.MapFS{}
	for _, name := range []string{"00001_begin.sql", "00002_trunk.sql"} {
		text, err := migrations.ReadFile("migrations/" + name)
		must(t, err)
		old[name] = &fstest.MapFile{Data: text}
	}
	must(t, s.Migrate(t.Context(), "directory", old))
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO directory_extension (number, name, secret, codecs, digest, ring_seconds)
			VALUES ('101', 'Ada', ?, 'pcma', '', 0)`, b.Seal([]byte("s"), secretContext("101")))
		return err
	}))
	d, err := Open(t.Context(), s, b, "r")
	must(t, err)
	def := Sound{DTMF: "auto"}
	if diff := cmp.Diff(def, d.Snapshot().Sound("extension:101")); diff != "" {
		t.Error(diff)
	}
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		e := ExtensionForm{
			Number: "101", Secret: b.Seal([]byte("s"), secretContext("101")), DTMF: "info", Clean: []string{"echo", "level"},
		}
		if err := (Extensions{}).Write(tx, []ExtensionForm{e}, nil); err != nil {
			return err
		}
		return Trunks{}.Write(tx, []TrunkForm{{Name: "up", Address: "h", DTMF: "inband", Clean: []string{"noise"}}}, nil)
	}))
	must(t, d.Reload(t.Context()))
	now := d.Snapshot()
	for party, want := range map[string]Sound{
		"extension:101": {"info", []string{"echo", "level"}},
		"trunk:up":      {"inband", []string{"noise"}},
		"extension:102": def, "trunk:101": def, "stranger": def, "": def,
	} {
		if diff := cmp.Diff(want, now.Sound(party)); diff != "" {
			t.Errorf("%s: %s", party, diff)
		}
	}
	if diff := cmp.Diff([]string{"extension:101", "trunk:up"}, now.Cleaned()); diff != "" {
		t.Error(diff)
	}
}
