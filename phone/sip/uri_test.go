package sip

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transport"
)

func parseURI(t *testing.T, s string) *wire.Uri {
	t.Helper()
	u := &wire.Uri{}
	if err := wire.ParseUri(s, u); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUserOf(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:101@h": "101", "tel:+49-30-(1.2);phone-context=x": "+493012", "tel:110;phone-context=+49": "110",
		"tel:1-800;isub=5": "1800", "sip:+49-30-1@h;user=phone": "+49301", "sip:a-b@h;user=phone": "a-b", "sip:a-1@h": "a-1", "sip:101;ext=5@h": "101",
		"sip:%2A43@h": "*43", "sip:%zz@h": "%zz", "sip:h": "", "sips:a%40b@h:5061": "a@b",
	} {
		if got := userOf(parseURI(t, uri)); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("+49 30/1;a=b@c")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(unescape(s)) {
			t.Errorf("%q became %q, which is no text", s, unescape(s))
		}
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return // stays escaped
		}
		if got := unescape(escape(s)); utf8.ValidString(s) && got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}

func TestURIAddr(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:a@1.2.3.4": "1.2.3.4:5060", "sip:a@[2001:db8::1]:7": "[2001:db8::1]:7", "sips:a@1.2.3.4": "1.2.3.4:5061",
		"sip:a@1.2.3.4;transport=tls": "1.2.3.4:5061", "sip:a@name": "invalid AddrPort",
	} {
		if got, _ := uriAddr(parseURI(t, uri)); got.String() != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

// Who is inside is told the inside address, who is outside the public one.
func TestAdvertise(t *testing.T) {
	s := &Server{}
	s.settings.Store(&Settings{
		External: netip.MustParseAddr("203.0.113.1"), Local: Prefixes{netip.MustParsePrefix("10.0.0.0/8")},
	})
	for _, c := range []struct{ local, remote, want string }{
		{"10.0.0.2:5060", "10.9.9.9:5", "10.0.0.2"},
		{"10.0.0.2:5060", "198.51.100.7:5", "203.0.113.1"},
		{"127.0.0.1:5060", "127.0.0.1:5", "127.0.0.1"},
		{"[2001:db8::2]:5060", "[2001:db8:1::1]:5", "2001:db8::2"}, // the public one is IPv4
		{"[fe80::1%lo]:5060", "[fe80::2%lo]:5", "fe80::1"},
	} {
		p := transport.Path{Local: netip.MustParseAddrPort(c.local), Remote: netip.MustParseAddrPort(c.remote)}
		if got := s.advertise(p).String(); got != c.want {
			t.Errorf("%s seen from %s: %s, want %s", c.local, c.remote, got, c.want)
		}
	}
}

func TestMask(t *testing.T) {
	in := "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest username=\"101\", nonce=\"abc\", response=\"0123\", cnonce=\"f\", nc=00000001\r\n\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secretkey|2^20\r\n"
	got := mask([]byte(in))
	for _, secret := range []string{"abc", "0123", "secretkey", `cnonce="f`} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is shown in\n%s", secret, got)
		}
	}
	if !strings.Contains(got, `username="101"`) || !strings.Contains(got, "nc=00000001") {
		t.Errorf("too much is hidden in\n%s", got)
	}
}

func FuzzDigit(f *testing.F) {
	f.Add("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")
	f.Add("application/dtmf", "#")
	f.Fuzz(func(t *testing.T, kind, body string) {
		d, ok := digitFrom(kind, body)
		if !ok {
			return
		}
		again, ok := digitFrom("application/dtmf", string(d.Rune))
		if !ok || again.Rune != d.Rune || d.Duration <= 0 || d.Duration > longestDigit {
			t.Errorf("%q gave %+v", body, d)
		}
	})
}

func FuzzSessionExpires(f *testing.F) {
	f.Add("1800;refresher=uas")
	f.Fuzz(func(t *testing.T, v string) {
		if n, r := parseExpires(v); n > 0 {
			if m, q := parseExpires(itoa(n) + ";refresher=" + r); m != n || q != r {
				t.Errorf("%q: %d %q, then %d %q", v, n, r, m, q)
			}
		}
	})
}

func TestCompletedElsewhere(t *testing.T) {
	for value, want := range map[string]bool{
		`SIP;cause=200;text="Call completed elsewhere"`: true,
		`sip ; Cause = 200`:                             true,
		`Q.850;cause=16, Q.850;cause=26;text="a, b"`:    true,
		`Q.850;cause=16`:                                false,
		`SIP;cause=486;text="cause=200"`:                false,
		`SIP;cause`:                                     false,
		``:                                              false,
	} {
		req := wire.NewRequest(wire.CANCEL, wire.Uri{Scheme: "sip", Host: "h"})
		req.AppendHeader(wire.NewHeader("Reason", value))
		if got := completedElsewhere(req); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
