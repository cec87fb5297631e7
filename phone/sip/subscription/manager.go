package subscription

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tincan/store"
)

const (
	// seqReserve is how many sequence numbers are written as used at a time; a
	// restart skips those that were not.
	seqReserve = 200
	// seqAhead is how many must be left when more are reserved: they are used while
	// that is being written.
	seqAhead = 50
	// resyncPace is the time between two NOTIFYs after a restart: 200 lamps take
	// half a second.
	resyncPace = 2 * time.Millisecond
)

// Config is what a Manager depends on.
type Config struct {
	Packages []Package
	// List gives the members of a resource list (RFC 4662), numbers of
	// extensions. May be nil.
	List func(name string) (members []string, ok bool)
	// Send carries a NOTIFY out and calls done once, possibly at once. It must not
	// block.
	Send func(n *Notify, done func(Outcome))
	// Store keeps subscriptions over a restart; nil: they are not kept.
	Store  *store.Store
	Logger *slog.Logger
	NewTag func() string
	// Watched says that somebody subscribes to a package now, or nobody any more.
	// It is called under a lock: it must not call the Manager. May be nil.
	Watched func(event string, on bool)
}

// Manager has the subscriptions. Safe for any goroutine.
type Manager struct {
	cfg      Config
	packages map[string]Package
	kick     chan struct{}
	notified atomic.Uint64
	count    atomic.Int64
	seed     maphash.Seed

	mu       sync.Mutex // guards what follows
	subs     map[string]*sub
	watching map[resource][]*sub
	events   map[string]int               // subscriptions by package
	watchers map[string]int               // and by extension
	devices  map[string]int               // and by device
	lost     map[string]map[*sub]struct{} // by extension: those that have no way to their device now
	due      queue
	stopped  bool
}

// resource is what can change: of a package, one extension's state.
type resource struct{ event, name string }

// sub is a subscription. The manager's mutex guards it.
type sub struct {
	kept
	tag      string
	pack     Package
	expires  time.Time
	seq      uint32 // of the last NOTIFY
	seqLimit uint32 // what is written as used
	written  bool   // it has a row

	dirty    bool            // there is news
	full     bool            // all of a list is news
	news     map[string]bool // of a list: members that changed
	inFlight bool
	lost     bool
	ending   string    // the reason, once it ends
	earliest time.Time // of the next NOTIFY
	sent     time.Time // of the last one
	sum      uint64    // of the document told last
	heapAt   int       // -1: not in the heap
	at       time.Time // when it is due
}

// New makes a Manager without subscriptions.
func New(cfg Config) *Manager {
	m := &Manager{
		cfg: cfg, packages: map[string]Package{}, kick: make(chan struct{}, 1), seed: maphash.MakeSeed(),
		subs: map[string]*sub{}, watching: map[resource][]*sub{},
		events: map[string]int{}, watchers: map[string]int{}, devices: map[string]int{}, lost: map[string]map[*sub]struct{}{},
	}
	if m.cfg.Watched == nil {
		m.cfg.Watched = func(string, bool) {}
	}
	if m.cfg.List == nil {
		m.cfg.List = func(string) ([]string, bool) { return nil, false }
	}
	for _, p := range cfg.Packages {
		m.packages[p.Name()] = p
	}
	return m
}

// Open takes up what the store has kept, before Run.
func (m *Manager) Open(ctx context.Context) error {
	if m.cfg.Store == nil {
		return nil
	}
	if err := migrate(ctx, m.cfg.Store); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.read(ctx, time.Now()); err != nil {
		return fmt.Errorf("subscriptions: %w", err)
	}
	return nil
}

// Events are the names of the packages, for Allow-Events.
func (m *Manager) Events() string {
	var names []string
	for _, p := range m.cfg.Packages {
		names = append(names, p.Name())
	}
	return strings.Join(names, ", ")
}

// Count is the number of subscriptions; it takes no lock.
func (m *Manager) Count() int { return int(m.count.Load()) }

// Notified counts the NOTIFYs sent.
func (m *Manager) Notified() uint64 { return m.notified.Load() }

// Has reports whether a dialog, by our tag, is a subscription's.
func (m *Manager) Has(tag string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.subs[tag] != nil
}

// Changed says that a resource of a package has another state.
func (m *Manager) Changed(event, name string) {
	if m.count.Load() == 0 {
		return
	}
	m.mu.Lock()
	list := m.watching[resource{event, name}]
	for _, s := range list {
		s.dirty = true
		if s.List && !s.full {
			if s.news == nil {
				s.news = map[string]bool{}
			}
			s.news[name] = true
		}
		m.fix(s)
	}
	m.mu.Unlock()
	if len(list) > 0 {
		m.wake()
	}
}

// Registered says that a device of an extension has registered: what could not be
// told it is told now.
func (m *Manager) Registered(extension string) {
	if m.count.Load() == 0 {
		return
	}
	m.mu.Lock()
	n := len(m.lost[extension])
	for s := range m.lost[extension] {
		m.find(s)
		m.fix(s)
	}
	m.mu.Unlock()
	if n > 0 {
		m.wake()
	}
}

// Reload looks again at who may watch what, and at lists, after objects changed.
// known tells whether an extension is still there.
func (m *Manager) Reload(known func(extension string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.subs {
		members, isList := m.cfg.List(s.Resource)
		switch {
		case s.ending != "":
			continue
		case !known(s.Watcher):
			s.ending = rejected
		case s.List != isList, !s.List && s.pack.Find(s.Watcher, s.Resource) != nil:
			s.ending = noResource
		case s.List && !slices.Equal(members, s.Members):
			m.unindex(s)
			s.Members = members
			m.index(s)
		default:
			continue
		}
		s.dirty, s.full = true, true
		m.find(s)
		m.fix(s)
	}
	m.wake()
}
