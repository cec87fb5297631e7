package watch

import (
	"hash/maphash"
	"sync"
	"time"

	"tincan/phone/directory"
)

// devices tells a change of an extension's devices from a refresh of one.
type devices struct {
	bindings Bindings
	seed     maphash.Seed

	mu sync.Mutex        // guards of
	of map[string]uint64 // what they were, by extension: as many as there are extensions
}

// changed looks at the devices of an extension, and reports whether they are others
// than the last time.
func (d *devices) changed(extension string) bool {
	var h maphash.Hash
	h.SetSeed(d.seed)
	fresh := expiresAfter(time.Now())
	var sum uint64 // of all, in any order
	for _, b := range d.bindings.For(extension) {
		if !fresh(b) {
			continue
		}
		h.Reset()
		_, _ = h.WriteString(b.Key())
		_, _ = h.WriteString(b.Contact)
		sum += h.Sum64()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	was, known := d.of[extension]
	d.of[extension] = sum
	return !known || was != sum
}

func expiresAfter(now time.Time) func(directory.Binding) bool {
	return func(b directory.Binding) bool { return b.Expires.After(now) }
}
