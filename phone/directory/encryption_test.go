package directory

import (
	"strings"
	"testing"

	"tincan/store"
)

func TestEncryptionIsChecked(t *testing.T) {
	got := problemsOf(
		Extensions{}.Check([]ExtensionForm{{Number: "101", Encryption: "wanted"}, {Number: "102", Encryption: "require"}}),
		Trunks{}.Check([]TrunkForm{{Name: "x", Address: "h", Encryption: "yes"}, {Name: "y", Address: "h", Encryption: "off"}}))
	for _, want := range []string{`1 encryption: "require" is not known; write "required" instead`, `0 encryption: "yes" is not known`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 2 {
		t.Errorf("%d problems:\n%s", n, got)
	}
}

func TestEncryptionIsFound(t *testing.T) {
	s, b := open(t, t.TempDir()), box(t, 1)
	d, err := Open(t.Context(), s, b, "r")
	must(t, err)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		forms := []ExtensionForm{{Number: "101", Encryption: "required"}, {Number: "102"}}
		for i := range forms {
			forms[i].Secret = b.Seal([]byte("s"), secretContext(forms[i].Number))
		}
		if err := (Extensions{}).Write(tx, forms, nil); err != nil {
			return err
		}
		return Trunks{}.Write(tx, []TrunkForm{{Name: "out", Address: "h", Encryption: "off"}}, nil)
	}))
	must(t, d.Reload(t.Context()))
	for party, want := range map[string]string{
		"extension:101": "required", "extension:102": "", "trunk:out": "off", "trunk:101": "", "stranger": "",
	} {
		if got := d.Snapshot().Encryption(party); got != want {
			t.Errorf("%s: %q, want %q", party, got, want)
		}
	}
}
