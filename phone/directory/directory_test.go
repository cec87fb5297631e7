package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tincan/config/form"
	"tincan/secret"
	"tincan/store"
	"tincan/store/storetest"
)

func open(t testing.TB, where string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func box(t testing.TB, fill byte) *secret.Box {
	t.Helper()
	b, err := secret.New(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBothDatabases(t *testing.T) {
	storetest.Group(t, map[string]func(*testing.T, string){
		"reload":   testReload,
		"sound":    testSound,
		"key":      testOtherKey,
		"bindings": testBindings,
		"outlive":  testOutlive,
		"refresh":  testRefreshBeatsExpiry,
	})
}

func testReload(t *testing.T, where string) {
	s, b := open(t, where), box(t, 1)
	d, err := Open(t.Context(), s, b, "phones.example")
	if err != nil {
		t.Fatal(err)
	}
	empty := d.Snapshot()
	extensions := []ExtensionForm{
		{Number: "99", Secret: b.Seal([]byte("x"), secretContext("99")), Digest: "sha256", RingSeconds: 20},
		{Number: "101", Name: "Ada", Secret: b.Seal([]byte("s3cret-one"), secretContext("101")), Codecs: []string{"opus", "pcma"}},
		{Number: "102", Secret: b.Seal([]byte("y"), secretContext("102"))},
	}
	trunks := []TrunkForm{{Name: "load", Address: "127.0.0.1:6070", Match: []string{"127.0.0.1", "10.0.0.0/8"}}}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		if err := (Extensions{}).Write(tx, extensions, nil); err != nil {
			return err
		}
		if err := (Extensions{}).Write(tx, extensions[:1], []string{"102"}); err != nil {
			return err
		}
		return Trunks{}.Write(tx, trunks, []string{"none"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := d.Snapshot()
	want := []*Extension{
		{
			Number: "99", Digest: "sha256", RingSeconds: 20, Sound: Sound{DTMF: "auto"},
			HA1MD5:    now.Extensions()[0].HA1MD5,
			HA1SHA256: now.Extensions()[0].HA1SHA256,
		},
		{
			Number: "101", Name: "Ada", Codecs: []string{"opus", "pcma"}, Digest: "md5", Sound: Sound{DTMF: "auto"},
			HA1MD5: known101[0], HA1SHA256: known101[1],
		},
	}
	if d := cmp.Diff(want, now.Extensions(), cmpopts.IgnoreUnexported(Extension{})); d != "" {
		t.Error(d)
	}
	if tr, ok := now.Trunk("load"); !ok || tr.CallerID != "from" || len(now.Trunks()) != 1 || len(tr.Match) != 2 {
		t.Errorf("trunk %+v", tr)
	}
	if len(empty.Extensions()) != 0 {
		t.Error("an old snapshot changed")
	}
	if plain, err := Secret(t.Context(), s, b, "101"); err != nil || plain != "s3cret-one" {
		t.Errorf("secret %q, %v", plain, err)
	}
	if text := fmt.Sprintf("%v %+v", now.Extensions()[1], *now.Extensions()[1]); strings.Contains(text, known101[0]) {
		t.Errorf("printed as %s", text)
	}
}

// known101 is: printf 101:phones.example:s3cret-one | md5sum; the same | sha256sum.
var known101 = [2]string{
	"aaefcd8fc6261feb9a4fb440095c9c58",
	"e3309fb54f53c63a6da5c5bd8763087eacae9a1ddb2583e5fe054bdcfca85370",
}

func testOtherKey(t *testing.T, where string) {
	s, b := open(t, where), box(t, 1)
	if _, err := Open(t.Context(), s, b, "r"); err != nil {
		t.Fatal(err)
	}
	var all []ExtensionForm
	for _, n := range []string{"101", "102"} {
		all = append(all, ExtensionForm{Number: n, Secret: b.Seal([]byte("x"), secretContext(n))})
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return Extensions{}.Write(tx, all, nil) }); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), s, box(t, 2), "r")
	if !errors.Is(err, secret.ErrOtherKey) || !strings.Contains(err.Error(), "101, 102") || !strings.Contains(err.Error(), b.ID()) {
		t.Errorf("error %v", err)
	}
}

func TestCheck(t *testing.T) {
	got := problemsOf(Extensions{}.Check([]ExtensionForm{
		{Number: "101", Name: "Ada", Codecs: []string{"opus", "g722"}, Digest: "sha256"},
		{Number: "1a", Name: strings.Repeat("x", 65), Secret: "a\nb", Codecs: []string{"alaw", "opsu", "pcma", "pcma"}, Digest: "md6", RingSeconds: 181},
	}), Trunks{}.Check([]TrunkForm{
		{Name: "load", Address: "127.0.0.1:6070", Match: []string{"127.0.0.1", "sip.example.org:5061", "2001:db8::/32"}},
		{Name: "a b", Address: "", Transport: "sctp", Match: []string{"127.0.0.1", "300.1.1.1", "10.0.0.0/40", "x:0"}},
	}))
	want := `1 number: "1a" is not a number; write 1 to 20 digits in quotes instead
1 name: has more than 64 letters; write a shorter one instead
1 secret: has a control character, which no phone can be given; write it without
1 codecs[0]: codec "alaw" is not known; write "pcma" instead
1 codecs[1]: codec "opsu" is not known; write "opus" instead
1 codecs[3]: "pcma" comes twice; remove one
1 digest: "md6" is not known; write "md5" instead
1 ring_seconds: 181 is out of range; write 1 to 180 instead, or leave it out
1 name: "a b" is not a name for a trunk; write up to 64 letters, digits, - or _ instead
1 address: "" is neither an address nor a host name; write host or host:port such as "198.51.100.7:5060" instead
1 transport: "sctp" is not known; write "tcp" instead
1 match[0]: "127.0.0.1" is trunk "load"'s already; remove it from one of them, or add a port
1 match[1]: "300.1.1.1" is neither an address nor a host name; write host, host:port or a network such as "203.0.113.0/24" instead
1 match[2]: "10.0.0.0/40" is not a network; write host, host:port or a network such as "203.0.113.0/24" instead
1 match[3]: "x:0" has no port from 1 to 65535 after the colon; write host, host:port or a network such as "203.0.113.0/24" instead`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func problemsOf(lists ...[]form.Problem) string {
	var lines []string
	for _, list := range lists {
		for _, p := range list {
			lines = append(lines, fmt.Sprintf("%d %s: %s; %s", p.Index, p.Field, p.What, p.Fix))
		}
	}
	return strings.Join(lines, "\n")
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "[::1]:5060", "::ffff:1.2.3.4", "10.1.2.3/8", "sip.Example.org.:5061", "host", "1.2.3.4:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMatch(text)
		if err != nil {
			return
		}
		again, err := ParseMatch(m.String())
		if err != nil || again != m {
			t.Errorf("%q is %v, which reads as %v, %v", text, m, again, err)
		}
	})
}

// The index agrees with a plain search for the most specific match.
func TestTrunkForAgreesWithSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var trunks []*Trunk
		seen := map[Match]bool{}
		for i := range rapid.IntRange(0, 8).Draw(t, "trunks") {
			a := netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "a") % 3, rapid.Byte().Draw(t, "b") % 3})
			m := Match{Prefix: netip.PrefixFrom(a, rapid.SampledFrom([]int{0, 8, 24, 31, 32}).Draw(t, "bits")).Masked()}
			if m.Prefix.IsSingleIP() && rapid.Bool().Draw(t, "ported") {
				m.Port = uint16(5060 + i%2)
			}
			if !seen[m] {
				seen[m] = true
				trunks = append(trunks, &Trunk{Name: fmt.Sprint("t", i), Match: []Match{m}})
			}
		}
		s := newSnapshot(nil, trunks, nil, "")
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "c") % 3, rapid.Byte().Draw(t, "d") % 3}), uint16(5060+rapid.IntRange(0, 1).Draw(t, "port")))
		var best *Trunk
		rank := -1
		for _, tr := range trunks {
			m := tr.Match[0]
			if !m.Prefix.Contains(src.Addr()) || m.Port != 0 && m.Port != src.Port() {
				continue
			}
			r := m.Prefix.Bits()
			if m.Port != 0 {
				r = 100
			}
			if r > rank {
				best, rank = tr, r
			}
		}
		if got, ok := s.TrunkFor(src); got != best || ok != (best != nil) {
			t.Errorf("%v is %v, want %v", src, got, best)
		}
		mapped := netip.AddrPortFrom(netip.AddrFrom16(src.Addr().As16()), src.Port())
		if got, _ := s.TrunkFor(mapped); got != best {
			t.Errorf("%v is %v, want %v", mapped, got, best)
		}
	})
}

// names resolves from a map.
type names map[string]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a := n[host]; a != "" {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, errors.New("no such host")
}

func TestResolve(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := Open(t.Context(), s, box(t, 1), "r")
	if err != nil {
		t.Fatal(err)
	}
	trunks := []TrunkForm{
		{Name: "a", Address: "a", Match: []string{"A.example", "b.example:5070"}},
		{Name: "c", Address: "c", Match: []string{"192.0.2.9"}},
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return Trunks{}.Write(tx, trunks, nil) }); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	is := func(src, want string) {
		t.Helper()
		got, ok := d.Snapshot().TrunkFor(netip.MustParseAddrPort(src))
		if ok != (want != "") || ok && got.Name != want {
			t.Errorf("%s is %v, want %q", src, got, want)
		}
	}
	is("192.0.2.1:5060", "")
	if err := d.Resolve(t.Context(), names{"a.example": "192.0.2.1", "b.example": "192.0.2.9"}); err != nil {
		t.Fatal(err)
	}
	is("192.0.2.1:5060", "a")
	is("192.0.2.9:5060", "c")
	is("192.0.2.9:5070", "a")
	err = d.Resolve(t.Context(), names{"b.example": "192.0.2.8"})
	if err == nil || !strings.Contains(err.Error(), "a.example") {
		t.Errorf("error %v, want one that names a.example", err)
	}
	is("192.0.2.1:5060", "a")
	is("192.0.2.8:5070", "a")
	is("192.0.2.9:5070", "c")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("192.0.2.8:5070", "a")
}
