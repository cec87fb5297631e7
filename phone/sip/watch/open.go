package watch

import (
	"context"
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

// Open makes the packages and takes up the subscriptions that the store has kept.
func Open(ctx context.Context, c Config) (*subscription.Manager, error) {
	var m *subscription.Manager
	calls := presence.NewCalls(func(extension string) { m.Changed(DialogEvent, extension) })
	f := follower{calls: calls, exchange: c.Exchange, by: map[string]bool{}}
	m = subscription.New(subscription.Config{
		Packages: []subscription.Package{
			Dialog{Directory: c.Directory, Calls: calls},
			Summary{Directory: c.Directory, Mailboxes: c.Mailboxes},
			Registration{Directory: c.Directory, Bindings: c.Bindings},
		},
		Send: c.Send, Store: c.Store, Logger: c.Logger, NewTag: c.NewTag, Watched: f.watched,
	})
	return m, m.Open(ctx)
}

// follower follows calls only while somebody watches what they change.
type follower struct {
	calls    *presence.Calls
	exchange Exchange

	mu sync.Mutex // guards by
	by map[string]bool
}

func (f *follower) watched(event string, on bool) {
	if event != DialogEvent {
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
