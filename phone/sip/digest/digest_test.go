package digest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	server "github.com/icholy/digest"
	"pgregory.net/rapid"
)

// The examples of RFC 7616 3.9.1: one request, MD5 and SHA-256.
func TestExamplesOfTheRFC(t *testing.T) {
	for algorithm, want := range map[string]string{
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		c := Challenge{
			Realm: "http-auth@example.org", Nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
			Opaque: "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", Algorithm: algorithm, QOP: []string{"auth", "auth-int"},
		}
		got := c.credentials("Mufasa", "Circle of Life", request{
			"GET", "/dir/index.html", 1, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
		})
		if !strings.Contains(got, `response="`+want+`"`) {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
}

// What others write: each seen in a server's source or manual.
func TestParse(t *testing.T) {
	for value, want := range map[string]Challenge{
		`Digest realm="a", nonce="b"`:                                       {Realm: "a", Nonce: "b"},
		`digest  Realm="a",NONCE="b",Stale=TRUE`:                            {Realm: "a", Nonce: "b", Stale: true},
		`Digest nonce=b, realm=a, algorithm="SHA-256"`:                      {Realm: "a", Nonce: "b", Algorithm: "SHA-256"},
		`Digest realm="a, \"b\"", nonce="=c/", qop="auth-int, auth"`:        {Realm: `a, \"b\"`, Nonce: "=c/", QOP: []string{"auth-int", "auth"}},
		`Digest realm="a",` + "\r\n\t" + `nonce="b", , opaque="", qop=auth`: {Realm: "a", Nonce: "b", QOP: []string{"auth"}},
	} {
		got, err := Parse(value)
		if err != nil {
			t.Errorf("%q: %v", value, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", value, d)
		}
	}
	for _, bad := range []string{
		"", "Digest", `Basic realm="a"`, `Digest realm="a"`, `Digest realm="a, nonce="b"`, `Digest realm="a", nonce="b`,
		`Digest realm, nonce="b"`, "Digest realm=\"a\r\nX: y\", nonce=\"b\"", `Digest realm="a", nonce="b", ` + strings.Repeat("x=y,", maxParams),
		`Digest realm="a", nonce="` + strings.Repeat("b", maxChallenge) + `"`,
	} {
		if c, err := Parse(bad); err == nil {
			t.Errorf("%.40q is taken as %v", bad, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Digest realm="a\"b", nonce="=c/", qop="auth,auth-int", stale=true, opaque=x, algorithm=MD5`)
	f.Add("digest  Realm=a,NONCE=\"b\",\r\n ,qop=")
	f.Fuzz(func(t *testing.T, value string) {
		c, err := Parse(value)
		if err != nil {
			return
		}
		again, err := Parse(c.String())
		if err != nil {
			if len(c.String()) <= maxChallenge {
				t.Fatalf("%q became %q: %v", value, c.String(), err)
			}
			return
		}
		if d := cmp.Diff(c, again); d != "" {
			t.Fatalf("%q became %q: %s", value, c.String(), d)
		}
		if c.strength() < 0 {
			return
		}
		if got := c.credentials("u", "p", request{"INVITE", "sip:a@b", 1, "cn"}); strings.ContainsAny(got, "\r\n") {
			t.Fatalf("a line end in %q", got)
		}
	})
}

// Credentials are what another implementation computes from the same challenge.
func TestAgreesWithAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9/+=.@: -]{1,20}`)
		c := Challenge{
			Realm: text.Draw(t, "realm"), Nonce: text.Draw(t, "nonce"), Opaque: text.Draw(t, "opaque"),
			Algorithm: rapid.SampledFrom([]string{"", "MD5", "md5", "SHA-256", "SHA-512-256"}).Draw(t, "algorithm"),
			QOP:       rapid.SampledFrom([][]string{nil, {"auth"}}).Draw(t, "qop"),
		}
		r := request{"INVITE", "sip:1@host", rapid.Uint32Range(1, 1<<20).Draw(t, "count"), text.Draw(t, "cnonce")}
		got, err := server.ParseCredentials(c.credentials("u", "pass:word", r))
		if err != nil {
			t.Fatal(err)
		}
		want, err := server.Digest(&server.Challenge{Realm: c.Realm, Nonce: c.Nonce, Opaque: c.Opaque, Algorithm: c.Algorithm, QOP: c.QOP},
			server.Options{Method: r.method, URI: r.uri, Count: int(r.count), Username: "u", Password: "pass:word", Cnonce: r.cnonce})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.QOP) == 0 {
			want.Cnonce, want.Nc = "", 0
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func values(headers []Header) (out []*server.Credentials) {
	for _, h := range headers {
		c, err := server.ParseCredentials(h.Value)
		if err != nil {
			panic(err)
		}
		out = append(out, c)
	}
	return out
}

const md5auth = `Digest realm="r", nonce="n1", algorithm=MD5, qop="auth"`

func TestStrongestIsAnswered(t *testing.T) {
	headers, err := New("u", "p").Try().Answer("REGISTER", "sip:r", []string{
		md5auth, `Digest realm="r", nonce="n1", algorithm=SHA-256, qop="auth"`, `Digest realm="r", nonce="n1", algorithm=NEW`, "Basic x",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := values(headers); len(got) != 1 || got[0].Algorithm != "SHA-256" {
		t.Errorf("answered %v", headers)
	}
}

func TestNeverTwiceTheSame(t *testing.T) {
	c := New("u", "wrong")
	try := c.Try()
	if _, err := try.Answer("INVITE", "sip:a", []string{md5auth}, nil); err != nil {
		t.Fatal(err)
	}
	// Another nonce, but not stale: the password is wrong.
	if h, err := try.Answer("INVITE", "sip:a", []string{`Digest realm="r", nonce="n2", qop="auth"`}, nil); !errors.Is(err, ErrRejected) {
		t.Errorf("answered again: %v %v", h, err)
	}
	if h := c.Try().Before("INVITE", "sip:a"); h != nil {
		t.Errorf("rejected credentials are kept: %v", h)
	}
}

func TestStaleIsAnsweredAgain(t *testing.T) {
	try := New("u", "p").Try()
	for _, v := range []string{md5auth, `Digest realm="r", nonce="n2", qop="auth", stale=true`} {
		if _, err := try.Answer("INVITE", "sip:a", nil, []string{v}); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
	if _, err := try.Answer("INVITE", "sip:a", nil, []string{`Digest realm="r", nonce="n2", qop="auth", stale=true`}); !errors.Is(err, ErrRejected) {
		t.Error("the same nonce is stale twice, and answered")
	}
}

func TestNonceIsKeptAndCounted(t *testing.T) {
	c := New("u", "p")
	first, err := c.Try().Answer("REGISTER", "sip:a", []string{md5auth}, nil)
	if err != nil || values(first)[0].Nc != 1 {
		t.Fatal(first, err)
	}
	next := c.Try()
	before := next.Before("REGISTER", "sip:a")
	if len(before) != 1 || values(before)[0].Nc != 2 || before[0].Name != "Authorization" {
		t.Fatalf("before: %v", before)
	}
	// The nonce has gone stale and the server does not say so: once more.
	if h, err := next.Answer("REGISTER", "sip:a", []string{`Digest realm="r", nonce="n2", qop="auth"`}, nil); err != nil || values(h)[0].Nc != 1 {
		t.Errorf("%v %v", h, err)
	}
	// The very nonce that was just used: the password has changed there.
	last := c.Try()
	last.Before("REGISTER", "sip:a")
	if _, err := last.Answer("REGISTER", "sip:a", []string{`Digest realm="r", nonce="n2", qop="auth"`}, nil); !errors.Is(err, ErrRejected) {
		t.Error("answered a nonce again that was just refused")
	}
}

// A proxy asks, then the server behind it: both get their answer.
func TestProxyThenServer(t *testing.T) {
	try := New("u", "p").Try()
	if _, err := try.Answer("INVITE", "sip:a", nil, []string{`Digest realm="edge", nonce="1", qop="auth"`}); err != nil {
		t.Fatal(err)
	}
	headers, err := try.Answer("INVITE", "sip:a", []string{`Digest realm="core", nonce="2"`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, c := range values(headers) {
		got[headers[i].Name] = c.Realm
	}
	if d := cmp.Diff(map[string]string{"Authorization": "core", "Proxy-Authorization": "edge"}, got); d != "" {
		t.Error(d)
	}
}

func TestUnsupported(t *testing.T) {
	if _, err := New("u", "p").Try().Answer("INVITE", "sip:a", []string{`Digest realm="r", nonce="n", algorithm=AKAv1-MD5`, `Digest realm="r", nonce="n", qop="auth-int"`}, nil); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	c := New("user", "hunter2")
	if s := c.String() + c.LogValue().String(); strings.Contains(s, "hunter2") {
		t.Error(s)
	}
}

func TestKeptIsBounded(t *testing.T) {
	c := New("u", "p")
	for i := range 100 {
		_, _ = c.Try().Answer("INVITE", "sip:a", []string{strings.Replace(md5auth, `"r"`, `"`+strings.Repeat("r", i+1)+`"`, 1)}, nil)
	}
	if len(c.kept) > maxKept {
		t.Errorf("%d challenges are kept", len(c.kept))
	}
}
