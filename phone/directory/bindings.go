package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tincan/store"
)

// ErrTooManyBindings: the extension has MaxBindings devices already.
var ErrTooManyBindings = fmt.Errorf("the extension has %d devices already; let one unregister, or wait until it expires", MaxBindings)

// Bindings are the devices that are registered: in memory, and in a table so that
// they outlive the process. Safe for any goroutine.
type Bindings struct {
	store *store.Store

	mu      sync.RWMutex         // guards all below
	of      map[string][]Binding // by extension; a list is never changed, only replaced
	at      map[source][]string  // extensions whose devices speak from there, once a device
	writing map[string]int       // new devices of an extension on their way to the store
	first   time.Time            // nothing expires before
}

// OpenBindings migrates the table and reads what was registered.
func OpenBindings(ctx context.Context, s *store.Store) (*Bindings, error) {
	if err := s.Migrate(ctx, owner, schema()); err != nil {
		return nil, err
	}
	b := &Bindings{
		store: s, of: map[string][]Binding{},
		at: map[source][]string{}, writing: map[string]int{},
	}
	if err := s.View(ctx, b.read); err != nil {
		return nil, fmt.Errorf("bindings: %w", err)
	}
	return b, nil
}

// For gives the devices of an extension, the most preferred first, then the one
// that registered last. One that has expired may be among them until Expire runs.
// Do not change the list.
func (b *Bindings) For(extension string) []Binding {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.of[extension]
}

// Source finds the extension whose device sends from addr over transport. A phone
// with accounts for several extensions on one socket is nobody by its source alone:
// ok is false, and HasSource tells for the one that it claims to be.
func (b *Bindings) Source(addr netip.AddrPort, transport string) (extension string, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := b.at[source{addr, strings.ToLower(transport)}]
	for _, e := range all {
		if e != all[0] {
			return "", false
		}
	}
	if len(all) == 0 {
		return "", false
	}
	return all[0], true
}

// HasSource tells whether a device of extension sends from addr over transport.
func (b *Bindings) HasSource(addr netip.AddrPort, transport, extension string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Contains(b.at[source{addr, strings.ToLower(transport)}], extension)
}

// All gives every binding, by extension.
func (b *Bindings) All() []Binding {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make([]Binding, 0, len(b.of))
	for _, e := range slices.SortedFunc(maps.Keys(b.of), compareNumbers) {
		all = append(all, b.of[e]...)
	}
	return all
}

// Each shows every binding, in no order, without copying; f must be quick and
// keep nothing of it but a copy.
func (b *Bindings) Each(f func(*Binding)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, list := range b.of {
		for i := range list {
			f(&list[i])
		}
	}
}

// Count is the number of bindings.
func (b *Bindings) Count() (n int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, list := range b.of {
		n += len(list)
	}
	return n
}

// Update changes the devices of one extension: put adds or refreshes, remove takes
// away (by Key). done is called when that is written, or spooled (with
// store.ErrSpooled), and readers see it; with another error nothing has changed.
// ErrTooManyBindings comes at once, on the caller's goroutine.
func (b *Bindings) Update(extension string, put, remove []Binding, done func(error)) {
	put, remove = slices.Clone(put), slices.Clone(remove)
	for i := range put {
		put[i].compact()
	}
	fresh, ok := b.reserve(extension, put, remove)
	if !ok {
		done(ErrTooManyBindings)
		return
	}
	b.store.WriteSoon(updateJob(extension, put, remove), func(err error) {
		b.mu.Lock()
		b.release(extension, fresh)
		if err == nil || errors.Is(err, store.ErrSpooled) {
			b.apply(extension, put, remove)
		}
		b.mu.Unlock()
		done(err)
	})
}

// reserve counts new devices in before they are written, so that many at once do
// not pass the bound.
func (b *Bindings) reserve(extension string, put, remove []Binding) (fresh int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.of[extension]
	for i := range put {
		if index(have, put[i].Key()) < 0 {
			fresh++
		}
	}
	leave := 0
	for i := range remove {
		if index(have, remove[i].Key()) >= 0 {
			leave++
		}
	}
	if fresh > 0 && len(have)-leave+b.writing[extension]+fresh > MaxBindings {
		return 0, false
	}
	if fresh > 0 {
		b.writing[extension] += fresh
	}
	return fresh, true
}

func (b *Bindings) release(extension string, fresh int) {
	if b.writing[extension] -= fresh; b.writing[extension] <= 0 {
		delete(b.writing, extension)
	}
}

func index(list []Binding, key string) int {
	return slices.IndexFunc(list, func(x Binding) bool { return x.Key() == key })
}

// apply changes what readers see. The caller holds mu.
func (b *Bindings) apply(extension string, put, remove []Binding) {
	list := slices.Clone(b.of[extension])
	for i := range remove {
		list = b.without(list, remove[i].Key())
	}
	for i := range put {
		x := put[i]
		x.Extension = extension
		list = append(b.without(list, x.Key()), x)
		b.at[x.source()] = append(b.at[x.source()], extension)
		if b.first.IsZero() || x.Expires.Before(b.first) {
			b.first = x.Expires
		}
	}
	b.set(extension, list)
}

func (b *Bindings) set(extension string, list []Binding) {
	if len(list) == 0 {
		delete(b.of, extension)
		return
	}
	slices.SortStableFunc(list, func(x, y Binding) int {
		return cmp.Or(cmp.Compare(y.Q, x.Q), y.Updated.Compare(x.Updated))
	})
	b.of[extension] = slices.Clip(list)
}

// without takes the device with key from list, which it may change, and from its
// source.
func (b *Bindings) without(list []Binding, key string) []Binding {
	i := index(list, key)
	if i < 0 {
		return list
	}
	b.leave(&list[i])
	return slices.Delete(list, i, i+1)
}

func (b *Bindings) leave(x *Binding) {
	s := x.source()
	all := b.at[s]
	i := slices.Index(all, x.Extension)
	if i < 0 {
		return
	}
	if len(all) == 1 {
		delete(b.at, s)
		return
	}
	b.at[s] = slices.Delete(all, i, i+1)
}

// Expire takes away, in memory at once, what expired by now, and returns it. Call
// it every few seconds: while nothing is due it costs nothing.
func (b *Bindings) Expire(now time.Time) []Binding {
	b.mu.Lock()
	var gone []Binding
	if !b.first.IsZero() && !now.Before(b.first) {
		gone = b.take(func(x *Binding) bool { return !now.Before(x.Expires) })
	}
	b.mu.Unlock()
	b.forget(gone)
	return gone
}

// Retain takes away the devices of extensions that keep does not want, after
// extensions were removed, and returns them.
func (b *Bindings) Retain(keep func(extension string) bool) []Binding {
	b.mu.Lock()
	gone := b.take(func(x *Binding) bool { return !keep(x.Extension) })
	b.mu.Unlock()
	b.forget(gone)
	return gone
}

// take removes from memory what is over, and finds when the next is due. The
// caller holds mu.
func (b *Bindings) take(over func(*Binding) bool) (gone []Binding) {
	b.first = time.Time{}
	for extension, list := range b.of {
		var left []Binding
		n := len(gone)
		for i := range list {
			x := &list[i]
			if over(x) {
				gone = append(gone, *x)
				b.leave(x)
				continue
			}
			left = append(left, *x)
			if b.first.IsZero() || x.Expires.Before(b.first) {
				b.first = x.Expires
			}
		}
		if len(gone) > n {
			b.set(extension, left)
		}
	}
	return gone
}

// forget removes rows, unless the device has registered again meanwhile.
func (b *Bindings) forget(gone []Binding) {
	for part := range slices.Chunk(gone, forgetGroup) {
		b.store.Write(forgetJob(part), nil)
	}
}
