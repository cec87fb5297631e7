package directory

import (
	"strings"
	"testing"

	"tincan/store"
)

func TestOfferIsChecked(t *testing.T) {
	got := problemsOf(
		Extensions{}.Check([]ExtensionForm{{Number: "101", Offer: "late"}, {Number: "102", Offer: "lat"}}),
		Trunks{}.Check([]TrunkForm{{Name: "x", Address: "h", Offer: "never"}, {Name: "y", Address: "h", Offer: "early"}}))
	for _, want := range []string{`1 offer: "lat" is not known; write "late" instead`, `0 offer: "never" is not known`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in:\n%s", want, got)
		}
	}
}

func TestOfferIsFound(t *testing.T) {
	s, b := open(t, t.TempDir()), box(t, 1)
	d, err := Open(t.Context(), s, b, "r")
	must(t, err)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		forms := []ExtensionForm{{Number: "101", Offer: "late"}, {Number: "102"}}
		for i := range forms {
			forms[i].Secret = b.Seal([]byte("s"), secretContext(forms[i].Number))
		}
		if err := (Extensions{}).Write(tx, forms, nil); err != nil {
			return err
		}
		return Trunks{}.Write(tx, []TrunkForm{{Name: "out", Address: "h", Offer: "late"}, {Name: "in", Address: "i"}}, nil)
	}))
	must(t, d.Reload(t.Context()))
	for party, want := range map[string]bool{"extension:101": true, "extension:102": false, "trunk:out": true, "trunk:in": false, "stranger": false} {
		if got := d.Snapshot().OffersLate(party); got != want {
			t.Errorf("%s: %v, want %v", party, got, want)
		}
	}
}
