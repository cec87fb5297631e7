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
	s.lamps, err = packages.Open(ctx, packages.Config{
		Store: s.store, Logger: s.log, Directory: s.directory, Bindings: s.bindings, Exchange: s.exchange,
		Send: s.sip.Notify, NewTag: transaction.Token,
	})
	if err != nil {
		return err
	}
	s.onClose(s.lamps.Close)
	s.sip.SetWatch(s.lamps)
	return nil
}
