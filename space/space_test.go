package space_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tincan/config/form"
	"tincan/phone/dialplan"
	"tincan/phone/directory"
	"tincan/secret"
	"tincan/space"
	"tincan/store"
	"tincan/store/storetest"
)

// server is a store with all owners of objects.
type server struct {
	*space.Space
	store     *store.Store
	directory *directory.Directory
	plan      *dialplan.Plan
}

func box(t testing.TB, fill byte) *secret.Box {
	t.Helper()
	b, err := secret.New(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func start(ctx context.Context, where string, b *secret.Box) (*server, error) {
	st, err := store.Open(ctx, where, store.Options{})
	if err != nil {
		return nil, err
	}
	s := &server{store: st}
	if s.directory, err = directory.Open(ctx, st, b, "phones.example"); err != nil {
		return nil, err
	}
	s.plan, err = dialplan.Open(ctx, dialplan.Config{Store: st, Extension: func(n string) bool {
		_, ok := s.directory.Snapshot().Extension(n)
		return ok
	}})
	if err != nil {
		return nil, err
	}
	s.Space, err = space.Open(ctx, space.Config{
		Store: st, Box: b,
		Owners: []space.Owner{
			space.Objects(directory.Extensions{}), space.Objects(directory.Trunks{}), space.Objects(dialplan.Routes{}),
		},
		Fixed:   map[string][]string{"app": {"echo", "tone"}},
		Applied: func(ctx context.Context) error { return errors.Join(s.directory.Reload(ctx), s.plan.Reload(ctx)) },
		Now:     func() time.Time { return time.Unix(1, 0) },
	})
	return s, err
}

func (s *server) end() { _ = s.store.Close(context.Background()) }

func open(t *testing.T, where string, b *secret.Box) *server {
	t.Helper()
	s, err := start(t.Context(), where, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s
}

func (s *server) apply(t *testing.T, doc string) *space.Change {
	t.Helper()
	c, err := s.Apply(t.Context(), []byte(doc), "space.toml", "test")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *server) export(t *testing.T) string {
	t.Helper()
	text, err := s.Export(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documented is the form that the documentation gives.
const documented = `# space.toml
[[extension]]
number = "101"
name = "Ada"
secret = "s3cret-one"                # made strong when left out
codecs = ["opus", "g722", "pcma", "pcmu"]  # optional, in order of preference; trunks too
[[trunk]]
name = "load"
address = "127.0.0.1:6070"           # where calls to this trunk go
match = ["127.0.0.1"]                # host, host:port or CIDR: calls from here are this trunk's, without digest
[[route]]                            # what a number dialled from somewhere means
from = "trunk:load"                  # left out: from any extension
number = "9000"                      # Asterisk pattern: X Z N [1-5] . !
to = "trunk:load/9000"
`

func TestBothDatabases(t *testing.T) {
	storetest.Group(t, map[string]func(*testing.T, string){
		"documented": testDocumented,
		"difference": testDifference,
		"history":    testHistory,
		"secrets":    testSecrets,
		"whole":      testWholeOrNothing,
		"at once":    testConcurrent,
	})
}

func testDocumented(t *testing.T, where string) {
	s := open(t, where, box(t, 1))
	plan, err := s.Plan(t.Context(), []byte(documented), "space.toml")
	if err != nil {
		t.Fatal(err)
	}
	if s.export(t) != "" {
		t.Error("a plan changed something")
	}
	change := s.apply(t, documented)
	want := `+ extension 101
    number = "101"
    name = "Ada"
    secret: set
    codecs = ["opus", "g722", "pcma", "pcmu"]
+ trunk load
    name = "load"
    address = "127.0.0.1:6070"
    match = ["127.0.0.1"]
+ route trunk:load 9000
    from = "trunk:load"
    number = "9000"
    to = "trunk:load/9000"
1 extension added, 1 trunk added, 1 route added
`
	if d := cmp.Diff(want, change.String()); d != "" || plan.String() != want || change.Version != 1 || plan.Version != 0 {
		t.Errorf("version %d, planned %d: %s", change.Version, plan.Version, d)
	}
	revealed, err := s.Export(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	wantText := `[[extension]]
number = "101"
name = "Ada"
secret = "s3cret-one"
codecs = ["opus", "g722", "pcma", "pcmu"]

[[trunk]]
name = "load"
address = "127.0.0.1:6070"
match = ["127.0.0.1"]

[[route]]
from = "trunk:load"
number = "9000"
to = "trunk:load/9000"
`
	if d := cmp.Diff(wantText, string(revealed)); d != "" {
		t.Error(d)
	}
	// The server took it up.
	if e, ok := s.directory.Snapshot().Extension("101"); !ok || e.HA1MD5 == "" {
		t.Error("the directory does not know the extension")
	}
	if d, ok := s.plan.Find("trunk:load", "9000"); !ok || d.String() != "trunk:load/9000" {
		t.Errorf("the dialplan says %v", d)
	}
	for name, doc := range map[string]string{"same": documented, "sealed": s.export(t), "revealed": string(revealed)} {
		if c := s.apply(t, doc); !c.Empty() || c.Version != 0 {
			t.Errorf("%s again: %s", name, c)
		}
	}
}

func testDifference(t *testing.T, where string) {
	s := open(t, where, box(t, 1))
	s.apply(t, `extension = [{number = "101", name = "Ada", secret = "one"}, {number = "102", secret = "two"}, {number = "99"}]`)
	c := s.apply(t, `
[[extension]]
number = "101"
codecs = ["pcma"]
secret = "new"
[[extension]]
number = "99"
[[extension]]
number = "103"
digest = "md5"
`)
	want := `~ extension 101
    secret: changed
    codecs = ["pcma"]
    name: "Ada" -> left out
+ extension 103
    number = "103"
    secret: made
- extension 102
1 extension changed, 1 extension added, 1 extension removed
`
	if d := cmp.Diff(want, c.String()); d != "" {
		t.Error(d)
	}
	if c := s.apply(t, ""); c.Summary() != "3 extensions removed" {
		t.Error(c.Summary())
	}
}

func testHistory(t *testing.T, where string) {
	s := open(t, where, box(t, 1))
	s.apply(t, documented)
	first := s.export(t)
	s.apply(t, "")
	if _, err := s.Revert(t.Context(), 7, "test"); !errors.Is(err, space.ErrNoVersion) {
		t.Errorf("error %v", err)
	}
	c, err := s.Revert(t.Context(), 1, "ada")
	if err != nil || c.Version != 3 {
		t.Fatalf("%+v, %v", c, err)
	}
	if d := cmp.Diff(first, s.export(t)); d != "" {
		t.Error(d)
	}
	got, err := s.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1, 0).UTC()
	all, none := "1 extension added, 1 trunk added, 1 route added", "1 extension removed, 1 trunk removed, 1 route removed"
	want := []space.Version{{3, at, "ada", all}, {2, at, "test", none}, {1, at, "test", all}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if doc, err := s.Document(t.Context(), 1); err != nil || string(doc) != first || strings.Contains(string(doc), "s3cret") {
		t.Errorf("version 1 is %s, %v", doc, err)
	}
}

func testSecrets(t *testing.T, where string) {
	s := open(t, where, box(t, 1))
	s.apply(t, "[[extension]]\nnumber = \"101\"\nsecret = \"one\"\n[[extension]]\nnumber = \"102\"\n")
	made, err := directory.Secret(t.Context(), s.store, box(t, 1), "102")
	if err != nil || len(made) != space.SecretLength {
		t.Errorf("made %q, %v", made, err)
	}
	// Left out: each keeps its own.
	if c := s.apply(t, "[[extension]]\nnumber = \"101\"\n[[extension]]\nnumber = \"102\"\n"); !c.Empty() {
		t.Error(c)
	}
	exported := s.export(t)
	other := open(t, t.TempDir(), box(t, 2))
	_, err = other.Apply(t.Context(), []byte(exported), "space.toml", "test")
	var faults form.Faults
	if !errors.As(err, &faults) || len(faults) != 2 {
		t.Fatalf("with another key: %v", err)
	}
	for i, say := range []string{`space.toml:3:1: key "extension[0].secret": the secret of extension "101" is sealed`, `"102"`} {
		if !strings.Contains(faults[i].Error(), say) || !strings.Contains(faults[i].Error(), box(t, 1).ID()) {
			t.Errorf("fault %v", faults[i])
		}
	}
	if other.export(t) != "" {
		t.Error("something was applied")
	}
	// A sealed secret is its owner's alone.
	_, err = s.Apply(t.Context(), []byte(strings.ReplaceAll(exported, `"101"`, `"105"`)), "space.toml", "test")
	if err == nil || !strings.Contains(err.Error(), "belongs to something else") {
		t.Errorf("moved to another extension: %v", err)
	}
}

// A change that fails half way leaves nothing behind.
func testWholeOrNothing(t *testing.T, where string) {
	s := open(t, where, box(t, 1))
	s.apply(t, documented)
	before := s.export(t)
	broken, err := space.Open(t.Context(), space.Config{
		Store: s.store, Box: box(t, 1),
		Owners: []space.Owner{space.Objects(directory.Extensions{}), space.Objects(failing{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := broken.Apply(t.Context(), []byte(`[[extension]]
number = "200"
`), "space.toml", "test")
	if err == nil || c != nil || !strings.Contains(err.Error(), "nothing was applied") {
		t.Errorf("%v, %v", c, err)
	}
	if d := cmp.Diff(before, s.export(t)); d != "" {
		t.Error(d)
	}
	if h, err := s.History(t.Context()); err != nil || len(h) != 1 {
		t.Errorf("history %v, %v", h, err)
	}
}

// failing is trunks that cannot be written.
type failing struct{ directory.Trunks }

func (failing) Write(*store.Tx, []directory.TrunkForm, []string) error {
	return errors.New("no")
}

// Applies at once come one after the other, from two servers on one database too.
func testConcurrent(t *testing.T, where string) {
	a, b := open(t, where, box(t, 1)), open(t, where, box(t, 1))
	var all sync.WaitGroup
	for i := range 4 {
		s := []*server{a, b}[i%2]
		all.Go(func() {
			doc := fmt.Sprintf("[[extension]]\nnumber = \"10%d\"\n", i)
			if _, err := s.Apply(context.Background(), []byte(doc), "space.toml", "test"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	h, err := a.History(t.Context())
	if err != nil || len(h) != 4 {
		t.Errorf("history %v, %v", h, err)
	}
	if n := strings.Count(a.export(t), "[[extension]]"); n != 1 {
		t.Errorf("%d extensions, want the last one's", n)
	}
}

func TestFaultsAllAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), box(t, 1))
	_, err := s.Plan(t.Context(), []byte(`[[extension]]
number = "101"
secrt = "x"
[[extension]]
number = "101"
codecs = ["alaw"]
[[extension]]
number = 102
[extensions]
[[trunk]]
name = "load"
address = "127.0.0.1"
[[route]]
number = "9Q"
to = "trunk:laod/1"
[[route]]
from = "trunk:nobody"
number = "1"
to = "app:ehco"
[[route]]
number = "2"
to = "extension:777777"
[[route]]
number = "3"
to = "voicemail:101"
[[route]]
number = "4"
`), "space.toml")
	want := `space.toml:3:1: key "extension[0].secrt": is not known; write "secret" instead
space.toml:4:3: key "extension[1]": extension "101" is there twice, first in line 1; remove one, or give it another name or number
space.toml:6:11: key "extension[1].codecs[0]": codec "alaw" is not known; write "pcma" instead
space.toml:8:1: key "extension[2].number": is a whole number, not a string; write number = "..." instead
space.toml:9:2: key "extensions": is not known; write "extension" instead
space.toml:14:1: key "route[0].number": pattern "9Q" has 'Q', which no number has; write digits, X, Z, N, [1-5], and . or ! at the end instead
space.toml:15:1: key "route[0].to": there is no trunk "laod"; write "trunk:load" instead, or add it as [[trunk]]
space.toml:17:1: key "route[1].from": there is no trunk "nobody"; add it as [[trunk]], or write one that is there instead
space.toml:19:1: key "route[1].to": there is no app "ehco"; write "app:echo" instead
space.toml:22:1: key "route[2].to": there is no extension "777777"; add it as [[extension]], or write one that is there instead
space.toml:25:1: key "route[3].to": "voicemail:101": there is no such kind of destination; write one of app, extension, trunk instead, or remove it
space.toml:26:3: key "route[4].to": "" is not a destination kind:name; write kind:name such as "extension:101" or "trunk:name/${NUMBER}" instead`
	if err == nil {
		t.Fatal("no error")
	}
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Error(d)
	}
	if _, err := s.Plan(t.Context(), []byte("[extension]\nnumber = \"1\"\n"), "space.toml"); err == nil || !strings.Contains(err.Error(), "write [[extension]] above each instead") {
		t.Errorf("a table for a list: %v", err)
	}
}

// An export applied to an empty server with the same key gives the same export, and
// the same secrets.
func TestExportGivesTheSameServer(t *testing.T) {
	from, to := open(t, t.TempDir(), box(t, 1)), open(t, t.TempDir(), box(t, 1))
	rapid.Check(t, func(rt *rapid.T) {
		doc := document(rt)
		for _, s := range []*server{from, to} {
			if _, err := s.Apply(t.Context(), nil, "nothing", "test"); err != nil {
				rt.Fatal(err)
			}
		}
		if _, err := from.Apply(t.Context(), []byte(doc), "space.toml", "test"); err != nil {
			rt.Fatalf("%v in\n%s", err, doc)
		}
		sealed, err := from.Export(t.Context(), false)
		if err != nil {
			rt.Fatal(err)
		}
		if _, err := to.Apply(t.Context(), sealed, "space.toml", "test"); err != nil {
			rt.Fatal(err)
		}
		for _, reveal := range []bool{false, true} {
			one, err1 := from.Export(t.Context(), reveal)
			two, err2 := to.Export(t.Context(), reveal)
			if err1 != nil || err2 != nil {
				rt.Fatal(err1, err2)
			}
			if d := cmp.Diff(string(one), string(two)); d != "" {
				rt.Error(d)
			}
		}
	})
}

// document makes a space.toml without faults.
func document(t *rapid.T) string {
	var b strings.Builder
	numbers := rapid.SliceOfNDistinct(rapid.StringMatching(`[0-9]{1,5}`), 0, 5, rapid.ID[string]).Draw(t, "numbers")
	for _, n := range numbers {
		fmt.Fprintf(&b, "[[extension]]\nnumber = %q\n", n)
		if rapid.Bool().Draw(t, "named") {
			fmt.Fprintf(&b, "name = %s\n", form.Quote(rapid.StringMatching(`[ -~äß"\\]{0,20}`).Draw(t, "name")))
		}
		if rapid.Bool().Draw(t, "secret") {
			fmt.Fprintf(&b, "secret = %s\n", form.Quote(rapid.StringMatching(`[ -~é"\\]{1,20}`).Draw(t, "secret")))
		}
		if rapid.Bool().Draw(t, "codecs") {
			b.WriteString("codecs = [\"g722\", \"pcma\"]\n")
		}
		if rapid.Bool().Draw(t, "digest") {
			fmt.Fprintf(&b, "digest = %q\nring_seconds = %d\n", rapid.SampledFrom([]string{"md5", "sha256"}).Draw(t, "which"), rapid.IntRange(0, 180).Draw(t, "ring"))
		}
	}
	trunks := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9-]{0,5}`), 0, 3, rapid.ID[string]).Draw(t, "trunks")
	for i, n := range trunks {
		fmt.Fprintf(&b, "[[trunk]]\nname = %q\naddress = \"sip.example:%d\"\nmatch = [\"10.%d.0.0/16\", \"h%d.example\"]\n", n, i+1, i, i)
	}
	for i, n := range numbers {
		if rapid.Bool().Draw(t, "route") {
			fmt.Fprintf(&b, "[[route]]\nnumber = \"_%d.\"\nto = \"extension:%s\"\n", i, n)
		}
		if len(trunks) > 0 && rapid.Bool().Draw(t, "out") {
			fmt.Fprintf(&b, "[[route]]\nfrom = \"trunk:%s\"\nnumber = \"%d[1-3]X\"\nto = \"trunk:%s/${NUMBER:1}\"\n", trunks[0], i, trunks[0])
		}
	}
	return b.String()
}

func FuzzPlan(f *testing.F) {
	s, err := start(f.Context(), f.TempDir(), box(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.end)
	f.Add(documented)
	f.Add("extension = [{number = \"1\"}]\nroute = 1\n")
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := s.Plan(t.Context(), []byte(doc), "x")
		var faults form.Faults
		if err != nil && !errors.As(err, &faults) {
			t.Errorf("an error that is no fault: %v", err)
		}
		if err == nil && strings.Count(doc, "number") > 0 && c == nil {
			t.Error("no change and no error")
		}
	})
}

// BenchmarkApply is one change among 10,000 extensions.
func BenchmarkApply(b *testing.B) {
	s, err := start(b.Context(), b.TempDir(), box(b, 1))
	if err != nil {
		b.Fatal(err)
	}
	defer s.end()
	var doc strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&doc, "[[extension]]\nnumber = \"%d\"\nsecret = \"s3cret-%d\"\n", 10000+i, i)
	}
	for i := 0; b.Loop(); i++ {
		text := fmt.Sprintf("%s[[extension]]\nnumber = \"%d\"\n", doc.String(), 100+i)
		if _, err := s.Apply(b.Context(), []byte(text), "space.toml", "bench"); err != nil {
			b.Fatal(err)
		}
	}
}
