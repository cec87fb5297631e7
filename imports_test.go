// Package tincan holds the rule of what may import what. Imports point down the
// house (docs/architecture.md); packages of one level do not know each other and
// meet through interfaces, events, or in cmd/tincan.
package tincan

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "tincan/"

// levels is the house from top to bottom. A folder stands for all packages in
// it: those may import each other, and whatever lies on a lower level. A package
// that is in no folder here fails the test: give it a place, with its reason.
var levels = []struct {
	reason  string
	folders []string
}{
	{"everything meets here and nowhere else", []string{"cmd/tincan"}},
	{"what people and other programs talk to, across all owners of objects", []string{"api", "edge", "space"}},
	{"the companions look at the phones; the phones work without them", []string{"guard", "monitor", "board"}},
	{
		"protocols and applications: legs, and where a number leads",
		[]string{
			"phone/app", "phone/script", "phone/dialplan", "phone/sip", "phone/iax2", "phone/provision",
		},
	},
	{"what extensions do, put together from their calls and devices", []string{"phone/presence"}},
	{"calls and messages know no protocol; the directory knows neither", []string{"phone/call", "phone/message", "phone/directory"}},
	{"media flows know neither call nor member", []string{"phone/media"}},
	{"codecs are samples and bytes; events are types alone", []string{"phone/codec", "phone/event"}},
	{"the ground: no knowledge of telephony", []string{"store", "secret", "bus", "config"}},
}

// exceptions are edges that the levels forbid, each with the reason it stands.
var exceptions = map[edge]string{
	{"phone/call", "phone/directory"}: "a call's parties are the directory's types; it reads no storage of it",
}

// islands may import nothing of the program and are imported by nothing: they
// test and measure it from outside.
var islands = []string{"e2e", "bench"}

// edge is one package importing another, both without the module's name.
type edge struct{ from, to string }

func TestImportsPointDown(t *testing.T) {
	edges, packages := listed(t)
	for _, name := range packages {
		if island(name) == "" && level(name) < 0 {
			t.Errorf("%s has no place in the house: add its folder to levels in imports_test.go, with the reason", name)
		}
	}
	for _, e := range edges {
		if problem := check(e); problem != "" {
			t.Errorf("%s imports %s: %s", e.from, e.to, problem)
		}
	}
}

// TestImportsRuleCanFail: the rule refuses what it is there to refuse.
func TestImportsRuleCanFail(t *testing.T) {
	allowed := map[edge]bool{
		{"cmd/tincan", "phone/sip"}:             true,
		{"space", "phone/dialplan"}:             true,
		{"phone/sip", "phone/call"}:             true,
		{"phone/sip/digest", "phone/sip"}:       true,
		{"phone/app/echo", "phone/media"}:       true,
		{"phone/call/record", "store"}:          true,
		{"phone/call", "phone/directory"}:       true,
		{"e2e/peer", "e2e/tone"}:                true,
		{"phone/call", "phone/sip"}:             false,
		{"phone/media", "phone/call"}:           false,
		{"phone/sip", "phone/iax2"}:             false,
		{"phone/sip", "phone/dialplan"}:         false,
		{"phone/directory", "phone/call"}:       false,
		{"phone/sip", "guard"}:                  false,
		{"store", "config"}:                     false,
		{"phone/codec/gsm", "phone/event"}:      false,
		{"phone/callcentre", "phone/event"}:     false, // no place in the house
		{"e2e", "phone/sip"}:                    false,
		{"cmd/tincan", "e2e/peer"}:              false,
		{"phone/call/record", "phone/dialplan"}: false,
	}
	got := map[edge]bool{}
	for e := range allowed {
		got[e] = check(e) == ""
	}
	if d := cmp.Diff(allowed, got); d != "" {
		t.Errorf("allowed edges (-want +got):\n%s", d)
	}
}

// TestImportsExceptionsAreNeeded: an exception that the levels allow anyway
// hides nothing and misleads.
func TestImportsExceptionsAreNeeded(t *testing.T) {
	for e, reason := range exceptions {
		if reason == "" {
			t.Errorf("exception %v gives no reason", e)
		}
		if lower(e) {
			t.Errorf("exception %v is allowed by the levels: remove it", e)
		}
	}
}

// check returns why an edge is not allowed, or nothing.
func check(e edge) string {
	from, to := island(e.from), island(e.to)
	switch {
	case from != "" || to != "":
		if from == to {
			return ""
		}
		return "tests and benchmarks stay outside the program, and the program knows none of them"
	case level(e.from) < 0 || level(e.to) < 0:
		return "one of them has no place in levels (imports_test.go)"
	case lower(e) || folder(e.from) == folder(e.to):
		return ""
	case exceptions[edge{folder(e.from), folder(e.to)}] != "":
		return ""
	}
	return "imports point down: declare an interface where it is used, send an event, or join them in cmd/tincan"
}

func lower(e edge) bool { return level(e.from) < level(e.to) }

// level is the place of a package's folder, 0 at the top; -1 when it has none.
func level(name string) int {
	for i, l := range levels {
		if slices.ContainsFunc(l.folders, func(f string) bool { return within(name, f) }) {
			return i
		}
	}
	return -1
}

// folder is the entry of levels that a package is in.
func folder(name string) string {
	for _, l := range levels {
		for _, f := range l.folders {
			if within(name, f) {
				return f
			}
		}
	}
	return ""
}

func island(name string) string {
	for _, f := range islands {
		if within(name, f) {
			return f
		}
	}
	return ""
}

func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// listed returns the module's packages and the edges between them. Tests do not
// count: like cmd they wire together what they need.
func listed(t *testing.T) (edges []edge, packages []string) {
	t.Helper()
	output, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		from, ok := strings.CutPrefix(p.ImportPath, module)
		if !ok {
			continue // this folder
		}
		packages = append(packages, from)
		edges = append(edges, inside(from, p.Imports)...)
	}
	if len(edges) == 0 {
		t.Fatalf("go list found no edge between packages of %s; is this its root?", module)
	}
	return edges, packages
}

// inside are the edges to packages of the module, a package's own tests aside.
func inside(from string, imports []string) []edge {
	var edges []edge
	for _, path := range imports {
		to, ok := strings.CutPrefix(path, module)
		if e := (edge{from, to}); ok && to != from && !slices.Contains(edges, e) {
			edges = append(edges, e)
		}
	}
	return edges
}
