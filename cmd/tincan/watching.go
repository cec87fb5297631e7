package main

import (
	"context"

	"tincan/config"
	"tincan/phone/sip/transaction"
	packages "tincan/phone/sip/watch"
)

// openWatching makes what can be subscribed to, and takes up the subscriptions that
// stood when the last process ended.
func (s *server) openWatching(ctx context.Context, _ *config.Config) (err error) {
	s.subs, err = packages.Open(ctx, packages.Config{
		Store: s.store, Logger: s.log, Directory: s.directory, Bindings: s.bindings, Exchange: s.exchange,
		Send: s.sip.Notify, NewTag: transaction.Token,
	})
	s.sip.SetSubscriptions(s.subs)
	return err
}

// reloadWatching ends what may not be watched any more, after objects changed.
func (s *server) reloadWatching() {
	if s.subs == nil { // still starting
		return
	}
	snap := s.directory.Snapshot()
	s.subs.Reload(func(number string) bool { _, ok := snap.Extension(number); return ok })
}
