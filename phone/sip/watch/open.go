package watch

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"

	"tincan/phone/call"
	"tincan/phone/presence"
	"tincan/phone/sip/subscription"
	"tincan/store"
)

// Exchange is where calls are followed: call.Exchange.
type Exchange interface {
	Watch(func(*call.Snapshot))
	Snapshots() []call.Snapshot
}

// Config is what the event packages and their subscriptions depend on. Mailboxes
// may be nil.
type Config struct {
	Store     *store.Store
	Logger    *slog.Logger
	Directory Directory
	Bindings  Bindings
	Exchange  Exchange
	Mailboxes Mailboxes
	Send      func(*subscription.Notify, func(subscription.Outcome))
	NewTag    func() string
}

// Watch is the event packages with their subscriptions. Safe for any goroutine.
type Watch struct {
	*subscription.Manager
	Published *presence.Publications
	lists     *presence.Book
	devices   devices
	directory Directory
}

// Open makes the packages and takes up the subscriptions that the store has kept.
func Open(ctx context.Context, c Config) (*Watch, error) {
	w := &Watch{directory: c.Directory, devices: devices{bindings: c.Bindings, seed: maphash.MakeSeed(), of: map[string]uint64{}}}
	var err error
	if w.lists, err = presence.OpenBook(ctx, c.Store); err != nil {
		return nil, err
	}
	calls := presence.NewCalls(func(extension string) {
		w.Changed(DialogEvent, extension)
		w.Changed(PresenceEvent, extension)
	})
	w.Published, err = presence.OpenPublications(ctx, c.Store, c.Logger, c.NewTag, func(extension string) {
		w.Changed(PresenceEvent, extension)
	})
	if err != nil {
		return nil, err
	}
	f := follower{calls: calls, exchange: c.Exchange, by: map[string]bool{}}
	w.Manager = subscription.New(subscription.Config{
		Packages: []subscription.Package{
			Dialog{Directory: c.Directory, Calls: calls},
			Presence{Directory: c.Directory, Bindings: c.Bindings, Calls: calls, Published: w.Published},
			Summary{Directory: c.Directory, Mailboxes: c.Mailboxes},
			Registration{Directory: c.Directory, Bindings: c.Bindings},
		},
		List: w.lists.List,
		Send: c.Send, Store: c.Store, Logger: c.Logger, NewTag: c.NewTag, Watched: f.watched,
	})
	return w, w.Manager.Open(ctx)
}

// Close ends what runs by itself; Run ends with its context.
func (w *Watch) Close() error { return w.Published.Close() }

// Reload takes up changed objects: it ends what may not be watched any more.
func (w *Watch) Reload(ctx context.Context) error {
	if err := w.lists.Reload(ctx); err != nil {
		return err
	}
	snap := w.directory.Snapshot()
	known := func(number string) bool { _, ok := snap.Extension(number); return ok }
	w.Published.Retain(known)
	w.Manager.Reload(known)
	return nil
}

// Devices says that devices of an extension registered, or went.
func (w *Watch) Devices(extension string, came bool) {
	if w.Count() == 0 {
		return
	}
	if came {
		w.Registered(extension)
	}
	if w.devices.changed(extension) {
		w.Changed(RegistrationEvent, extension)
		w.Changed(PresenceEvent, extension)
	}
}

// follower follows calls only while somebody watches what they change.
type follower struct {
	calls    *presence.Calls
	exchange Exchange

	mu sync.Mutex // guards by
	by map[string]bool
}

func (f *follower) watched(event string, on bool) {
	if event != DialogEvent && event != PresenceEvent {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.by)
	if delete(f.by, event); on {
		f.by[event] = true
	}
	switch {
	case before == 0 && len(f.by) > 0:
		f.exchange.Watch(f.calls.Take)
		f.calls.Begin(f.exchange.Snapshots)
	case before > 0 && len(f.by) == 0:
		f.exchange.Watch(nil)
		f.calls.Clear()
	}
}
