package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tincan/store"
)

// noon is a moment that SQL keeps exactly.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC).Local()

func device(ext string, n int) Binding {
	return Binding{
		Extension: ext, Contact: fmt.Sprintf("sip:%s@10.0.0.%d:5060", ext, n),
		Received:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 5060),
		Transport: "udp", Local: "192.0.2.1:5060", UserAgent: "phone", CallID: fmt.Sprint("c", n), CSeq: 1,
		Expires: noon.Add(time.Hour), Updated: noon, Node: "n1", Q: 0.5,
	}
}

func bindings(t testing.TB, s *store.Store) *Bindings {
	t.Helper()
	b, err := OpenBindings(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func update(b *Bindings, ext string, put, remove []Binding) error {
	c := make(chan error, 1)
	b.Update(ext, put, remove, func(err error) { c <- err })
	return <-c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var addresses = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func same(t *testing.T, want, got []Binding) {
	t.Helper()
	if d := cmp.Diff(want, got, addresses); d != "" {
		t.Error(d)
	}
}

func testBindings(t *testing.T, where string) {
	b := bindings(t, open(t, where))
	first, second := device("101", 1), device("101", 2)
	second.Q, second.Updated = 0.5, noon.Add(time.Second)
	must(t, update(b, "101", []Binding{first, second}, nil))
	same(t, []Binding{second, first}, b.For("101"))
	second.Q = 0.1
	must(t, update(b, "101", []Binding{second}, nil))
	same(t, []Binding{first, second}, b.For("101"))

	if ext, ok := b.Source(first.Received, "UDP"); !ok || ext != "101" {
		t.Errorf("source is %q, %v", ext, ok)
	}
	if _, ok := b.Source(first.Received, "tcp"); ok {
		t.Error("a source over another transport is known")
	}
	// A phone with two accounts on one socket.
	other := device("102", 1)
	must(t, update(b, "102", []Binding{other}, nil))
	if _, ok := b.Source(first.Received, "udp"); ok {
		t.Error("a source of two extensions is one's")
	}
	if !b.HasSource(first.Received, "udp", "101") || !b.HasSource(first.Received, "udp", "102") || b.HasSource(second.Received, "udp", "102") {
		t.Error("HasSource is wrong")
	}
	same(t, []Binding{first, second, other}, b.All())
	must(t, update(b, "102", nil, []Binding{other}))
	if ext, ok := b.Source(first.Received, "udp"); !ok || ext != "101" {
		t.Errorf("source is %q, %v", ext, ok)
	}
	// The same device from elsewhere: NAT gave it another port.
	moved := first
	moved.Received = netip.MustParseAddrPort("10.0.0.1:40000")
	must(t, update(b, "101", []Binding{moved}, nil))
	if _, ok := b.Source(first.Received, "udp"); ok {
		t.Error("the old source is still known")
	}
	if b.Count() != 2 {
		t.Errorf("%d bindings", b.Count())
	}
}

func testOutlive(t *testing.T, where string) {
	s := open(t, where)
	b := bindings(t, s)
	x := device("101", 1)
	x.Instance, x.RegID, x.Path, x.Flow = "<urn:uuid:1>", 2, []string{"<sip:a;lr>", "<sip:b;lr>"}, "7"
	short := device("102", 2)
	short.Expires = noon.Add(time.Minute)
	must(t, update(b, "101", []Binding{x}, nil))
	must(t, update(b, "102", []Binding{short}, nil))
	again := bindings(t, s)
	same(t, []Binding{x, short}, again.All())
	if gone := again.Expire(noon.Add(time.Minute - 1)); gone != nil {
		t.Errorf("too early: %v", gone)
	}
	same(t, []Binding{short}, again.Expire(noon.Add(time.Minute)))
	if again.For("102") != nil {
		t.Error("an expired device is still there")
	}
	if gone := again.Retain(func(e string) bool { return e != "101" }); len(gone) != 1 || again.Count() != 0 {
		t.Errorf("gone %v", gone)
	}
	must(t, update(again, "103", nil, nil)) // what was queued before is written now
	if n := bindings(t, s).Count(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// A refresh that is on its way while the old binding expires stays, in memory and
// in the table.
func testRefreshBeatsExpiry(t *testing.T, where string) {
	s := open(t, where)
	b := bindings(t, s)
	x := device("101", 1)
	must(t, update(b, "101", []Binding{x}, nil))
	started, release := make(chan struct{}), make(chan struct{})
	s.Write(func(*store.Tx) error { close(started); <-release; return nil }, nil)
	<-started
	fresh := x
	fresh.Updated, fresh.Expires = noon.Add(time.Hour), noon.Add(2*time.Hour)
	written := make(chan error, 1)
	b.Update("101", []Binding{fresh}, nil, func(err error) { written <- err })
	same(t, []Binding{x}, b.For("101")) // not before it is written
	same(t, []Binding{x}, b.Expire(noon.Add(time.Hour)))
	close(release)
	must(t, <-written)
	same(t, []Binding{fresh}, b.For("101"))
	must(t, update(b, "102", nil, nil))
	same(t, []Binding{fresh}, bindings(t, s).All())
}

func TestTooManyBindings(t *testing.T) {
	s := open(t, t.TempDir())
	b := bindings(t, s)
	errs := make(chan error, 3*MaxBindings)
	for i := range 3 * MaxBindings { // at once, so that most are on their way
		b.Update("101", []Binding{device("101", i)}, nil, func(err error) { errs <- err })
	}
	refused := 0
	for range 3 * MaxBindings {
		if err := <-errs; errors.Is(err, ErrTooManyBindings) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if have := len(b.For("101")); have != MaxBindings || refused != 2*MaxBindings {
		t.Errorf("%d devices, %d refused", have, refused)
	}
	must(t, update(b, "101", b.For("101"), nil)) // refreshing is never refused
	one := b.For("101")[:1]
	must(t, update(b, "101", []Binding{device("101", 200)}, one)) // nor is changing one for another
	if len(b.writing) != 0 {
		t.Errorf("counted as on their way: %v", b.writing)
	}
}

// A store that is down keeps nobody from registering.
func TestRegisterWhileStoreIsDown(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	b := bindings(t, s)
	locked := make(chan struct{})
	other := open(t, dir)
	release := make(chan struct{})
	other.Write(func(tx *store.Tx) error {
		_, err := tx.Exec("DELETE FROM directory_binding WHERE extension = ?", "none")
		close(locked)
		<-release
		return err
	}, nil)
	<-locked
	err := update(b, "101", []Binding{device("101", 1)}, nil)
	close(release)
	if !errors.Is(err, store.ErrSpooled) || len(b.For("101")) != 1 {
		t.Errorf("%v, %d devices", err, len(b.For("101")))
	}
}

// The source index says what a search through all bindings would.
func TestIndexAgreesWithBindings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &Bindings{of: map[string][]Binding{}, at: map[source][]string{}, writing: map[string]int{}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			ext := rapid.SampledFrom([]string{"101", "102", "103"}).Draw(t, "ext")
			x := device(ext, rapid.IntRange(0, 3).Draw(t, "device"))
			x.Received = netip.AddrPortFrom(x.Received.Addr(), uint16(rapid.IntRange(1, 2).Draw(t, "port")))
			if rapid.Bool().Draw(t, "shared") {
				x.Received = netip.MustParseAddrPort("10.9.9.9:5060")
			}
			x.Expires = noon.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "expires")) * time.Minute)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				b.apply(ext, nil, []Binding{x})
			case 1:
				now := noon.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "now")) * time.Minute)
				b.take(func(x *Binding) bool { return !now.Before(x.Expires) })
			default:
				b.apply(ext, []Binding{x}, nil)
			}
		}
		found := map[source]map[string]bool{}
		total := 0
		for _, x := range b.All() {
			if found[x.source()] == nil {
				found[x.source()] = map[string]bool{}
			}
			found[x.source()][x.Extension] = true
			total++
		}
		indexed := 0
		for s, all := range b.at {
			indexed += len(all)
			if len(all) == 0 || found[s] == nil {
				t.Errorf("%v is indexed for %v", s, all)
			}
		}
		if indexed != total {
			t.Errorf("%d in the index, %d bindings", indexed, total)
		}
		for s, exts := range found {
			ext, ok := b.Source(s.addr, s.transport)
			if ok != (len(exts) == 1) || ok && !exts[ext] {
				t.Errorf("%v is %q, %v; want one of %v", s, ext, ok, exts)
			}
		}
	})
}

// BenchmarkRegistrations is the cost of one of 10,000 registrations at once.
func BenchmarkRegistrations(b *testing.B) {
	s, err := store.Open(b.Context(), b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }()
	all := bindings(b, s)
	const phones = 10000
	put := make([]Binding, phones)
	for i := range put {
		put[i] = device(fmt.Sprint(10000+i), i)
		put[i].Received = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
	}
	b.ReportAllocs()
	slots := make(chan struct{}, store.MaxQueue/2)
	var wait sync.WaitGroup
	for i := 0; b.Loop(); i++ {
		slots <- struct{}{}
		wait.Add(1)
		all.Update(put[i%phones].Extension, put[i%phones:i%phones+1], nil, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
			wait.Done()
		})
	}
	wait.Wait()
}

// TestBindingsAreSmall holds what a registered phone costs in memory.
func TestBindingsAreSmall(t *testing.T) {
	const phones, most = 10000, 1500 // bytes each, indexes included
	b := &Bindings{of: map[string][]Binding{}, at: map[source][]string{}, writing: map[string]int{}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range phones {
		message := make([]byte, 2000) // that a parser's texts are parts of
		x := device(fmt.Sprint(10000+i), i)
		x.Received = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		x.UserAgent = string(message)[:20]
		x.compact()
		b.apply(x.Extension, []Binding{x}, nil)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / phones; each > most {
		t.Errorf("%d bytes a binding, more than %d", each, most)
	} else {
		t.Logf("%d bytes a binding", each)
	}
	runtime.KeepAlive(b)
}

func TestPushParametersAreNotShown(t *testing.T) {
	for contact, want := range map[string]string{
		"sip:102@192.0.2.1:5060;pn-provider=acme;transport=tcp;PN-PRID=abc;pn-param=x": "sip:102@192.0.2.1:5060;transport=tcp",
		"sip:102;pn-user=1@192.0.2.1":      "sip:102;pn-user=1@192.0.2.1",
		"sip:102@h;pn-prid=a?Subject=pn-b": "sip:102@h?Subject=pn-b",
		"sip:192.0.2.1;ob":                 "sip:192.0.2.1;ob",
		"":                                 "",
	} {
		b := Binding{Contact: contact}
		if got := b.Shown(); got != want {
			t.Errorf("%s is shown as %s, want %s", contact, got, want)
		}
	}
}
