package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tincan/store"
	"tincan/store/storetest"
)

// office has publications, and notes whom they changed for.
type office struct {
	*Publications
	t       *testing.T
	store   *store.Store
	changed chan string
}

func openOffice(t *testing.T, where string) *office {
	t.Helper()
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, store: s, changed: make(chan string, 100)}
	n := 0
	o.Publications, err = OpenPublications(t.Context(), s, slog.New(slog.DiscardHandler), func() string {
		n++
		return fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano()+int64(n))
	}, func(extension string) { o.changed <- extension })
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) close() {
	_ = o.Close()
	_ = o.store.Close(context.Background())
}

// publish waits for the answer.
func (o *office) publish(tag string, status *Status, lasts time.Duration) (string, error) {
	o.t.Helper()
	type result struct {
		tag string
		err error
	}
	got := make(chan result, 1)
	o.Publish("101", tag, status, lasts, func(tag string, err error) { got <- result{tag, err} })
	r := <-got
	return r.tag, r.err
}

var away = Status{Activities: []string{"away"}}

func TestPublish(t *testing.T) { storetest.Each(t, testPublish) }

func testPublish(t *testing.T, where string) {
	o := openOffice(t, where)
	defer func() { o.close() }()
	if _, err := o.publish("", nil, time.Hour); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	if _, err := o.publish("x", nil, time.Hour); !errors.Is(err, ErrStale) {
		t.Error(err)
	}
	first, err := o.publish("", &away, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	<-o.changed
	second, err := o.publish(first, nil, time.Hour)
	if err != nil || second == first {
		t.Errorf("refreshed as %q %v", second, err)
	}
	if len(o.changed) != 0 {
		t.Error("a refresh changes nothing")
	}
	o.close()
	o = openOffice(t, where)
	if d := cmp.Diff([]Status{away}, o.Of("101")); d != "" {
		t.Error(d)
	}
	if _, err := o.publish(first, nil, 0); !errors.Is(err, ErrStale) {
		t.Error("a tag serves once")
	}
	if _, err := o.publish(second, nil, 0); err != nil {
		t.Error(err)
	}
	if <-o.changed; o.Of("101") != nil {
		t.Errorf("left: %v", o.Of("101"))
	}
	for range MaxPublications {
		if _, err := o.publish("", &away, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.publish("", &away, time.Hour); !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
	o.Retain(func(string) bool { return false })
	o.close()
	o = openOffice(t, where)
	if got := o.Of("101"); got != nil {
		t.Errorf("left: %v", got)
	}
}

func TestPublicationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openOffice(t, t.TempDir())
		defer o.close()
		if _, err := o.publish("", &away, time.Minute); err != nil {
			t.Fatal(err)
		}
		<-o.changed
		time.Sleep(59 * time.Second)
		if len(o.changed) != 0 || len(o.Of("101")) != 1 {
			t.Error("too early")
		}
		time.Sleep(2 * time.Second)
		if got := <-o.changed; got != "101" || o.Of("101") != nil {
			t.Errorf("%s has %v", got, o.Of("101"))
		}
	})
}

func TestLists(t *testing.T) { storetest.Each(t, testLists) }

func testLists(t *testing.T, where string) {
	s, err := store.Open(t.Context(), where, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }()
	b, err := OpenBook(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	all := []List{{"lab", []string{"101", "102"}}, {"all", []string{"101"}}}
	write := func(put []List, remove ...string) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx *store.Tx) error { return Lists{}.Write(tx, put, remove) }); err != nil {
			t.Fatal(err)
		}
		if err := b.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write(all)
	write([]List{{"lab", []string{"103"}}}, "all")
	if got, ok := b.List("lab"); !ok || !slices.Equal(got, []string{"103"}) {
		t.Errorf("lab is %q", got)
	}
	if _, ok := b.List("all"); ok {
		t.Error("all is still there")
	}
}

func TestListsAreChecked(t *testing.T) {
	many := make([]string, MaxMembers+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for field, l := range map[string]List{
		"":           {"lab-1", []string{"101"}},
		"name":       {"101", []string{"101"}},
		"members":    {"lab", nil},
		"members[1]": {"lab", []string{"101", "101"}},
		"members[0]": {"lab", []string{"1 2"}},
	} {
		found := Lists{}.Check([]List{l})
		if len(found) > 0 != (field != "") || len(found) > 0 && found[0].Field != field {
			t.Errorf("%v: %+v", l, found)
		}
	}
	if found := (Lists{}).Check([]List{{"lab", many}}); len(found) != 1 {
		t.Errorf("too many: %+v", found)
	}
	if refs := (Lists{}).Refs(List{"lab", []string{"101"}}); refs["members[0]"] != "extension:101" {
		t.Errorf("refs %v", refs)
	}
}
