package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/space"
)

func TestTrunks(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		made := decode[account](p, "trunk", "add", "sister", "--accept", "register", "--username", "sister")
		if len(made.Secret) != space.SecretLength {
			t.Errorf("made %+v", made)
		}
		if _, err := p.try("hunter2\n", "trunk", "add", "carrier", "--template", "sipgate", "--username", "u", "--register=false", "--secret", "-"); err != nil {
			t.Fatal(err)
		}
		p.run("trunk", "add", "near", "--address", "192.0.2.1", "--match", "192.0.2.1", "--limit", "2")
		for name, want := range map[string]string{"sister": made.Secret, "carrier": "hunter2"} {
			if got := p.run("trunk", "secret", name); got != want+"\n" {
				t.Errorf("secret of %s: %q", name, got)
			}
		}
		want := []trunk{
			{Name: "carrier", Protocol: "sip", Template: "sipgate", Address: "sipconnect.sipgate.de", Proves: "address", Username: "u", Codecs: []string{"g722", "pcma", "pcmu"}},
			{Name: "near", Protocol: "sip", Address: "192.0.2.1", Proves: "address", Limit: 2},
			{Name: "sister", Protocol: "sip", Proves: "registers here", Username: "sister"},
		}
		if d := cmp.Diff(want, decode[[]trunk](p, "trunk", "list")); d != "" {
			t.Error(d)
		}
		plain := p.run("export", "--reveal")
		for _, line := range []string{`secret = "hunter2"`, "register = false", `secret = "` + made.Secret + `"`} {
			if strings.Count(plain, line) != 1 {
				t.Errorf("%s is not there once:\n%s", line, plain)
			}
		}
		if sealed := p.run("export"); strings.Contains(sealed, "hunter2") || strings.Count(sealed, "sealed:") != 2 {
			t.Errorf("exported:\n%s", sealed)
		}
		p.apply(plain) // nothing changes, and no secret is made for who has none
		if d := cmp.Diff(plain, p.run("export", "--reveal")); d != "" {
			t.Error(d)
		}
		if got := p.run("trunk", "remove", "carrier"); got != "- trunk carrier\n1 trunk removed: version 4\n" {
			t.Error(got)
		}
	})
}

func TestIAX2Trunks(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		ours := p.run("trunk", "key")
		if !strings.HasPrefix(ours, "-----BEGIN PUBLIC KEY-----\n") || p.run("trunk", "key") != ours {
			t.Fatalf("our key: %s", ours)
		}
		p.write("other.pub", ours)
		made := decode[account](p, "trunk", "add", "sister", "--protocol", "iax2", "--accept", "register", "--username", "sister", "--encryption", "required", "--trunking")
		if len(made.Secret) != space.SecretLength {
			t.Errorf("made %+v", made)
		}
		p.run("trunk", "add", "keyed", "--protocol", "iax2", "--address", "192.0.2.1", "--username", "us", "--key", p.file("other.pub"), "--transfer=false")
		p.run("extension", "add", "101", "--iax2", "--secret", "hunter2")
		want := []trunk{
			{Name: "keyed", Protocol: "iax2", Address: "192.0.2.1", Proves: "address", Username: "us"},
			{Name: "sister", Protocol: "iax2", Proves: "registers here", Username: "sister"},
		}
		if d := cmp.Diff(want, decode[[]trunk](p, "trunk", "list")); d != "" {
			t.Error(d)
		}
		plain := p.run("export", "--reveal")
		for _, line := range []string{`protocol = "iax2"`, `encryption = "required"`, "trunking = true", "transfer = false", "iax2 = true"} {
			if !strings.Contains(plain, line) {
				t.Errorf("%s is not there:\n%s", line, plain)
			}
		}
		p.apply(plain)
		if d := cmp.Diff(plain, p.run("export", "--reveal")); d != "" {
			t.Error(d)
		}
		if got := p.refused("trunk", "add", "x", "--protocol", "iax2", "--address", "h", "--transport", "tls"); !strings.HasPrefix(got, "transport: is of SIP alone") {
			t.Error(got)
		}
	})
}

func TestTrunksRefused(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		p.apply(house)
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"add", "load", "--address", "h"}, "trunk load is there already; see tincan trunk list"},
			{[]string{"add", "x", "--address", "a b"}, `address: "a b" is neither an address nor a host name; write host or host:port such as "198.51.100.7:5060" instead`},
			{[]string{"add", "x", "--address", "h", "--register"}, "username: is missing; write the name of the account"},
			{[]string{"remove", "load"}, `route "trunk:load 9000" names trunk load; change or remove it first (tincan export, tincan apply)`},
			{[]string{"remove", "x"}, "there is no trunk x; see tincan trunk list"},
			{[]string{"secret", "load"}, "trunk load has no secret"},
		} {
			if got := p.refused(append([]string{"trunk"}, c.args...)...); got != c.want {
				t.Errorf("%v: %s\nwant %s", c.args, got, c.want)
			}
		}
		if got := p.refused("trunk", "add", "x", "--address", "h", "--register", "--username", "u"); !strings.Contains(got, `the secret of trunk "x" is missing; write the password that the other side gave you`) {
			t.Error(got)
		}
	})
}
