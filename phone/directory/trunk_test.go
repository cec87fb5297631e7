package directory

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tincan/secret"
	"tincan/store"
)

func truth(b bool) *bool { return &b }

func TestTrunkProblems(t *testing.T) {
	got := problemsOf(Trunks{}.Check([]TrunkForm{
		{Name: "in", Accept: "register", Username: "sister"},
		{Name: "fritz", Template: "fritzbox", Username: "tincan", Secret: "x"},
		{Name: "two", Accept: "register", Username: "sister", Address: "host"},
		{Name: "both", Accept: "digest", Register: truth(true), Username: "u", Address: "host"},
		{Name: "number", Accept: "digest", Username: "101", Address: "host"},
		{
			Name: "bad", Template: "fritz", Address: "host", Proxy: "a b", Domain: "x:1", Register: truth(true), AuthUsername: `a"b`,
			CallerID: "pia", NumberFrom: "t", URI: "tal", Number: strings.Repeat("1", 65), Expires: time.Second, Limit: -1,
		},
		{Name: "idle", Address: "host", Secret: "x", Accept: "never"},
	}))
	want := `2 address: is not needed: its calls go where it registers; leave it out, or write accept = "digest"
2 username: "sister" is trunk "in"'s already; write another
3 accept: is of no use with register: one side registers at the other; leave one of them out
4 username: "101" could be an extension's number; write one with a letter instead
5 template: "fritz" is not known; write one of generic, fritzbox, telekom, sipgate instead, or remove it
5 proxy: "a b" is neither an address nor a host name; write host or host:port such as "198.51.100.7:5060" instead
5 domain: "x:1" is not a domain; write a name such as "carrier.example" instead
5 auth_username: "a\"b" has a sign that cannot stand there; write ASCII letters and signs without spaces, ", \, < and > instead
5 username: is missing; write the name of the account
5 caller_id: "pia" is not known; write "pai" instead
5 number_from: "t" is not known; write "to" instead
5 uri: "tal" is not known; write "tel" instead
5 number: has more than 64 letters; write a shorter one instead
5 expires: 1s is out of range; write a time from 1m0s to 24h0m0s instead
5 limit: -1 is out of range; write 1 to 20000 instead, or leave it out
6 accept: "never" is not known; write one of register, digest instead, or remove it
6 username: is missing; write the name of the account`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Every template makes a trunk that is right once it has an account.
func TestTemplates(t *testing.T) {
	for _, name := range templateNames() {
		f := TrunkForm{Name: "x", Template: name, Username: "u", Secret: "p"}
		if name == "generic" {
			f.Address = "host"
		}
		if p := (Trunks{}).Check([]TrunkForm{f}); p != nil {
			t.Errorf("%s: %v", name, p)
		}
		if _, err := f.trunk(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the trunk says wins, also where it says no.
	f := TrunkForm{Name: "x", Template: "fritzbox", Address: "10.0.0.1", Register: truth(false), CallerID: "from"}
	got, err := f.trunk()
	if err != nil {
		t.Fatal(err)
	}
	if got.Register || got.Address != "10.0.0.1" || got.CallerID != "from" || got.NumberFrom != "to" || got.Domain != "10.0.0.1" {
		t.Errorf("%+v", *got)
	}
}

func anyTrunk(t *rapid.T) TrunkForm {
	word := func(list ...string) string { return rapid.SampledFrom(list).Draw(t, list[0]) }
	flag := func(name string) *bool {
		return rapid.SampledFrom([]*bool{nil, truth(true), truth(false)}).Draw(t, name)
	}
	f := TrunkForm{
		Name: "x", Template: word("", "generic", "telekom"), Address: word("host", "192.0.2.1:5070"), Proxy: word("", "edge"),
		Domain: word("", "d.example"), Transport: word("", "udp", "tls"), Register: flag("register"),
		Expires:  rapid.SampledFrom([]time.Duration{0, time.Minute, 90 * time.Second}).Draw(t, "expires"),
		Username: word("", "u"), AuthUsername: word("", "a@b"), Secret: "sealed:x", Accept: word("", "digest"),
		CallerID: word("", "pai", "rpid"), Number: word("", "+49"), Privacy: flag("privacy"), TrustIdentity: flag("trust"),
		DTMF: word("", "auto", "inband"), Clean: rapid.SampledFrom([][]string{nil, {"echo"}, {"level", "noise"}}).Draw(t, "clean"),
		NumberFrom: word("", "to"), URI: word("", "tel"), Protocol: word("", "iax2"), Key: word("", publicKey), Trunking: flag("trunking"), Transfer: flag("transfer"), Limit: rapid.IntRange(0, 9).Draw(t, "limit"),
	}
	if rapid.Bool().Draw(t, "qualified") {
		q := rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "qualify")
		f.Qualify = &q
	}
	return f
}

// What is written is read again, and the token stays through every change.
func TestTrunkRows(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, Migrate(t.Context(), s))
	first := ""
	rapid.Check(t, func(r *rapid.T) {
		f := anyTrunk(r)
		must(t, s.Update(t.Context(), func(tx *store.Tx) error { return Trunks{}.Write(tx, []TrunkForm{f}, nil) }))
		must(t, s.View(t.Context(), func(tx *store.Tx) error {
			all, tokens, err := Trunks{}.read(tx)
			if err != nil {
				return err
			}
			if d := cmp.Diff([]TrunkForm{f}, all); d != "" {
				r.Error(d)
			}
			if first == "" {
				first = tokens["x"]
			}
			if len(first) < 26 || tokens["x"] != first {
				r.Errorf("token %q, then %q", first, tokens["x"])
			}
			return nil
		}))
	})
}

func TestTrunkAccounts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, Migrate(t.Context(), s))
	box, err := secret.Open(dir)
	must(t, err)
	forms := []TrunkForm{
		{Name: "here", Accept: "register", Username: "sister", Secret: "pw"},
		{Name: "there", Address: "carrier.example:5070", Register: truth(true), Username: "u", Secret: "hunter2"},
	}
	for i := range forms {
		text, where := Trunks{}.Secret(&forms[i])
		*text = box.Seal([]byte(*text), where)
	}
	must(t, s.Update(t.Context(), func(tx *store.Tx) error { return Trunks{}.Write(tx, forms, nil) }))
	d, err := Open(t.Context(), s, box, "tincan")
	must(t, err)
	snap := d.Snapshot()
	a, ok := snap.Account("sister")
	if !ok || a.Trunk == nil || a.Key != "trunk:here" || a.HA1MD5 == "" || !snap.Registers(a.Key) || snap.Registers("trunk:there") {
		t.Errorf("account %+v", a)
	}
	there, _ := snap.Trunk("there")
	if there.Password() != "hunter2" || there.Domain != "carrier.example" || strings.Contains(there.String()+there.LogValue().String(), "hunter2") {
		t.Errorf("%v of %s", there, there.Domain)
	}
	if got, ok := snap.TrunkByToken(there.Token); !ok || got != there {
		t.Errorf("token %q is %v's", there.Token, got)
	}
	here, _ := snap.Trunk("here")
	if _, ok := snap.TrunkByToken(here.Token); ok {
		t.Error("the token of a trunk where we do not register is taken")
	}
	if got, err := TrunkSecret(t.Context(), s, box, "there"); got != "hunter2" || err != nil {
		t.Error(got, err)
	}
}
