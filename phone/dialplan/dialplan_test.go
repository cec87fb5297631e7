package dialplan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tincan/store"
	"tincan/store/storetest"
)

func TestPattern(t *testing.T) {
	for text, cases := range map[string]string{
		"9000":    "+9000 -900 -90000 -900X",
		"_NXX":    "+200 +999 -100 -20",
		"ZX":      "+10 +99 -00 -1",
		"[1-3*]9": "+19 +39 +*9 -49",
		"9.":      "+90 +9123# -9 -8",
		"9!":      "+9 +90 -8",
		".":       "+1 +*43",
		"1[23]-4": "+124 +134 -12-4",
		"*43":     "+*43 -43",
		"+49.":    "+" + "+491 -491",
		"00X.":    "+0012 -001",
	} {
		p, err := parsePattern(text)
		if err != nil {
			t.Error(err)
			continue
		}
		for c := range strings.FieldsSeq(cases) {
			if got := p.match(c[1:]); got != (c[0] == '+') {
				t.Errorf("%s matches %s: %v", text, c[1:], got)
			}
		}
	}
	for _, bad := range []string{"", "_", "-", "9.1", "9!.", "[", "[]", "[9-1]", "[1-*]", "[a]", "12a", "1 2", strings.Repeat("1", maxPattern+1)} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("_NXX[1-5*]9.", "5551912")
	f.Add("[#-+]!", "#")
	f.Fuzz(func(t *testing.T, text, number string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		if n, ok := p.literal(); ok && !p.match(n) {
			t.Errorf("%q does not match %q, which it stands for", text, n)
		}
		if p.match(number) && p.end == endHere && len(number) != len(p.sets) {
			t.Errorf("%q matches %q", text, number)
		}
		if p.compare(p) != 0 {
			t.Errorf("%q is not equal to itself", text)
		}
	})
}

// Asterisk's documented example of its order, and ties.
func TestOrder(t *testing.T) {
	want := []string{"6421", "64XX", "6[45]NX", "6XX1", "6XXX", "6.", "6!", "[78]XXX", "NXXX", "ZXXX", "XXXX", ".", "!"}
	all := make([]*pattern, len(want))
	for i, text := range want {
		p, err := parsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		all[len(want)-1-i] = p
	}
	slices.SortFunc(all, (*pattern).compare)
	var got []string
	for _, p := range all {
		got = append(got, p.text)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestOrderIsOne(t *testing.T) {
	pat := rapid.Custom(func(t *rapid.T) *pattern {
		p, err := parsePattern(rapid.StringMatching(`(X|Z|N|[0-9*#]|\[1-5\]|\[27\]){1,4}[.!]?`).Draw(t, "p"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := pat.Draw(t, "a"), pat.Draw(t, "b"), pat.Draw(t, "c")
		if a.compare(b) != -b.compare(a) {
			t.Errorf("%s and %s: %d, %d", a.text, b.text, a.compare(b), b.compare(a))
		}
		if a.compare(b) <= 0 && b.compare(c) <= 0 && a.compare(c) > 0 {
			t.Errorf("%s <= %s <= %s, but not %s <= %s", a.text, b.text, c.text, a.text, c.text)
		}
	})
}

func FuzzDestination(f *testing.F) {
	f.Add("trunk:load/9000")
	f.Add("app:echo")
	f.Add("a:b/c/d")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDestination(text)
		if err != nil {
			return
		}
		if d.String() != text {
			t.Errorf("%q came back as %q", text, d)
		}
		if strings.Contains(d.Name, "/") || d.Kind == "" || d.Name == "" {
			t.Errorf("%q is %+v", text, d)
		}
	})
}

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"trunk:load/9000":                      "trunk:load/9000",
		"trunk:load/${NUMBER}":                 "trunk:load/90123",
		"trunk:load/+49${NUMBER:1}":            "trunk:load/+490123",
		"extension:${NUMBER:-3}":               "extension:123",
		"extension:${NUMBER:1:2}":              "extension:01",
		"extension:1${NUMBER:-1}${NUMBER:0:1}": "extension:139",
		"extension:${NUMBER:9}":                "extension:",
	} {
		tmpl, err := parseTemplate(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := tmpl.fill("90123"); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, bad := range []string{"", "x", "extension:", "trunk:a/", "trunk:/1", "trunk:a/${NUMBER", "trunk:a/${CALLER}", "trunk:a/${NUMBER:x}", "trunk:a/${NUMBER:1:0}", "Trunk:a", "trunk:a b"} {
		if _, err := parseTemplate(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestFind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, where string) {
		s, err := store.Open(t.Context(), where, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(context.Background()) })
		p, err := Open(t.Context(), Config{Store: s, Extension: func(n string) bool { return n == "101" || n == "102" }})
		if err != nil {
			t.Fatal(err)
		}
		routes := []Route{
			{From: "trunk:load", Number: "9000", To: "trunk:load/9000"},
			{From: "trunk:load", Number: "1XX", To: "extension:${NUMBER}"},
			{From: "extension:102", Number: "0.", To: "app:tone"},
			{Number: "0.", To: "trunk:out/${NUMBER:1}"},
			{Number: "00.", To: "trunk:far/${NUMBER:2}"},
			{Number: "0123", To: "extension:101"},
			{Number: "102", To: "extension:101"},
			{Number: "gone", To: "app:x"},
		}
		err = s.Update(t.Context(), func(tx *store.Tx) error {
			if err := (Routes{}).Write(tx, routes, nil); err != nil {
				return err
			}
			return Routes{}.Write(tx, nil, []string{"gone"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		for call, want := range map[string]string{
			"trunk:load 9000":                          "trunk:load/9000",
			"trunk:load 101":                           "extension:101",
			"trunk:load 0123":                          "", // a trunk has only its own routes
			"trunk:load *43":                           "",
			"trunk:other 101":                          "",
			"extension:101 101":                        "extension:101",
			"extension:101 102":                        "extension:101", // a route goes before the extension
			"extension:101 *43":                        "app:echo",
			"extension:101 01":                         "trunk:out/1",
			"extension:101 0123":                       "extension:101",
			"extension:101 00123":                      "trunk:far/123",
			"extension:102 00123":                      "app:tone", // its own routes go first
			"extension:101 0":                          "",
			"extension:101 9000":                       "",
			"extension:101 " + strings.Repeat("0", 65): "",
		} {
			from, number, _ := strings.Cut(call, " ")
			d, ok := p.Find(from, number)
			got := ""
			if ok {
				got = d.String()
			}
			if got != want {
				t.Errorf("%s: %q, want %q", call, got, want)
			}
		}
		if got := p.Routes(); len(got) != len(routes)-1 || p.Features()["*43"].Name != "echo" {
			t.Errorf("routes %v", got)
		}
	})
}

func TestCheck(t *testing.T) {
	var got []string
	for _, p := range (Routes{}).Check([]Route{
		{Number: "9000", To: "extension:101"},
		{Number: "_[1-3]X", To: "extension:101"},
		{Number: "[123]X", To: "extension:101"},
		{From: "trunk:a", Number: "[123]X", To: "extension:101"},
		{From: "app:echo", Number: "9a", To: "nowhere"},
		{From: "x", Number: "1", To: "extension:101/"},
	}) {
		got = append(got, fmt.Sprintf("%d %s: %s", p.Index, p.Field, p.What))
	}
	want := []string{
		`2 number: pattern "[123]X" means the same as "_[1-3]X" above`,
		`4 from: "app:echo" is nobody who calls`,
		`4 to: "nowhere" is not a destination kind:name`,
		`4 number: pattern "9a" has 'a', which no number has`,
		`5 from: "x" is not a destination kind:name`,
		`5 to: destination "extension:101/" has nothing after the slash`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRefs(t *testing.T) {
	for _, c := range []struct {
		r    Route
		want map[string]string
	}{
		{Route{To: "extension:101"}, map[string]string{"to": "extension:101"}},
		{Route{From: "trunk:a", To: "trunk:b/${NUMBER}"}, map[string]string{"from": "trunk:a", "to": "trunk:b"}},
		{Route{To: "extension:${NUMBER:1}"}, map[string]string{}},
	} {
		if d := cmp.Diff(c.want, (Routes{}).Refs(c.r)); d != "" {
			t.Errorf("%+v: %s", c.r, d)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	var routes []Route
	for i := range 100 {
		routes = append(routes, Route{Number: fmt.Sprintf("%02dXXX.", i), To: "trunk:a/${NUMBER:1}"})
	}
	t, err := compile(routes)
	if err != nil {
		b.Fatal(err)
	}
	p := &Plan{}
	p.now.Store(t)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := p.Find("extension:101", "99123456"); !ok {
			b.Fatal("not found")
		}
	}
}
