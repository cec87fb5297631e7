package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/space"
)

func TestExtensions(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		made := decode[account](p, "extension", "add", "101", "--name", "Ada", "--codec", "opus,pcma", "--codec", "gsm")
		if len(made.Secret) != space.SecretLength || made.Change == nil || made.Change.Version != 1 {
			t.Errorf("made %+v", made)
		}
		if got := p.run("extension", "add", "99", "--secret", "s3cret"); got != "1 extension added: version 2\n" {
			t.Errorf("a secret that was given is told again, or worse:\n%s", got)
		}
		if _, err := p.try("from-stdin\n", "extension", "add", "103", "--secret", "-"); err != nil {
			t.Fatal(err)
		}
		for number, want := range map[string]string{"101": made.Secret, "99": "s3cret", "103": "from-stdin"} {
			if got := p.run("extension", "secret", number); got != want+"\n" {
				t.Errorf("secret of %s: %q", number, got)
			}
		}
		list := decode[[]extension](p, "extension", "list")
		for i := range list {
			if (list[i].Devices != nil) != (p.server != nil) {
				t.Errorf("devices of %s: %v", list[i].Number, list[i].Devices)
			}
			list[i].Devices = nil
		}
		want := []extension{{Number: "99"}, {Number: "101", Name: "Ada", Codecs: []string{"opus", "pcma", "gsm"}}, {Number: "103"}}
		if d := cmp.Diff(want, list); d != "" {
			t.Error(d)
		}
		if got := p.run("extension", "remove", "99"); got != "- extension 99\n1 extension removed: version 4\n" {
			t.Error(got)
		}
		p.run("revert", "3")
		if got := p.run("extension", "secret", "99"); got != "s3cret\n" {
			t.Errorf("after a revert the secret is %q", got)
		}
	})
}

func TestNewSecret(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		p.apply(house)
		fresh := decode[account](p, "extension", "secret", "101", "--new")
		if fresh.Secret == "" || fresh.Secret == "s3cret-one" || fresh.Change.Version != 2 {
			t.Errorf("%+v", fresh)
		}
		if got := p.run("extension", "secret", "101"); got != fresh.Secret+"\n" {
			t.Errorf("secret %q", got)
		}
		want := strings.Replace(house, "s3cret-one", fresh.Secret, 1)
		if d := cmp.Diff(want, p.run("export", "--reveal")); d != "" {
			t.Error(d)
		}
	})
}

func TestExtensionsRefused(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		p.apply(house + "\n[[route]]\nnumber = \"0\"\nto = \"extension:102\"\n")
		before := p.run("export")
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"add", "101"}, "extension 101 is there already; see tincan extension list"},
			{[]string{"add", "10x", "--codec", "alaw"}, "number: \"10x\" is not a number; write 1 to 20 digits in quotes instead\ncodecs: codec \"alaw\" is not known; write \"pcma\" instead"},
			{[]string{"add"}, "NUMBER is missing; write: tincan extension add NUMBER"},
			{[]string{"remove", "1", "2"}, `"2" is too much; write: tincan extension remove NUMBER`},
			{[]string{"remove", "7"}, "there is no extension 7; see tincan extension list"},
			{[]string{"remove", "102"}, `route "0" leads to extension 102; change or remove it first (tincan export, tincan apply)`},
			{[]string{"secret", "7"}, "there is no extension 7; see tincan extension list"},
			{[]string{"secret", "7", "--new"}, "there is no extension 7; see tincan extension list"},
			{[]string{"secret", "../x"}, "there is no extension ../x; see tincan extension list"},
			{[]string{"ad"}, `"ad" is no command of tincan extension; see tincan extension --help`},
			{[]string{"add", "104", "--secret", "-"}, "the secret: standard input has no line: EOF"},
		} {
			if got := p.refused(append([]string{"extension"}, c.args...)...); got != c.want {
				t.Errorf("%v: %s\nwant %s", c.args, got, c.want)
			}
		}
		if d := cmp.Diff(before, p.run("export")); d != "" {
			t.Error(d)
		}
	})
}

// TestRemovedWhileNoServerRuns: devices of an extension that went are forgotten at
// the next start.
func TestRemovedWhileNoServerRuns(t *testing.T) {
	p := served(t)
	p.apply(house)
	register(t, p, "102", "")
	if n := p.server.bindings.Count(); n != 1 {
		t.Fatalf("%d bindings", n)
	}
	if err := p.server.close(); err != nil {
		t.Fatal(err)
	}
	p.run("extension", "remove", "102")
	p.serve()
	if n := p.server.bindings.Count(); n != 0 {
		t.Errorf("%d bindings of nobody", n)
	}
}
