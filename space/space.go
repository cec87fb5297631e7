package space

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"tincan/secret"
	"tincan/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is what a Space needs.
type Config struct {
	Store *store.Store
	Box   *secret.Box
	// Owners are the kinds of objects, in the order of an export.
	Owners []Owner
	// Fixed are destinations that are no objects, by kind: {"app": {"echo"}}; none
	// named means that any name will do. May be nil.
	Fixed map[string][]string
	// Applied is called after each change that was made, while no other is, so that
	// the owners read their tables again. May be nil.
	Applied func(context.Context) error
	// Now is the time for versions; nil: time.Now.
	Now func() time.Time
}

// Space applies and exports documents. Safe for any goroutine.
type Space struct {
	config Config
	one    sync.Mutex // held while objects are changed
}

// Open migrates the table of versions. The owners' tables must be there already.
func Open(ctx context.Context, c Config) (*Space, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return &Space{config: c}, c.Store.Migrate(ctx, "space", sub)
}

// plan is a change worked out against the version it starts from.
type plan struct {
	base   int64
	change Change
	wanted []set // by owner
	steps  []step
}

// step is what one owner must write.
type step struct {
	owner  Owner
	put    []*object
	remove []string
}

// Plan works out what Apply would change, and changes nothing. name is the file's,
// for the faults, which come all at once as form.Faults.
func (s *Space) Plan(ctx context.Context, doc []byte, name string) (*Change, error) {
	p, err := s.plan(ctx, doc, name)
	if err != nil {
		return nil, err
	}
	return &p.change, nil
}

// maxTries bounds how often an apply starts again because another node's came
// between.
const maxTries = 5

// errBetween: another node changed objects since they were read.
var errBetween = errors.New("another change came between")

// Apply makes the objects what doc says, whole or not at all: what is not in it
// goes. who is noted in the history. An error that comes with a Change says that
// the change was made and is kept, but a reader of it (Config.Applied) failed.
func (s *Space) Apply(ctx context.Context, doc []byte, name, who string) (*Change, error) {
	s.one.Lock()
	defer s.one.Unlock()
	return s.apply(ctx, doc, name, who)
}

func (s *Space) apply(ctx context.Context, doc []byte, name, who string) (*Change, error) {
	for range maxTries {
		p, err := s.plan(ctx, doc, name)
		if err != nil {
			return &p.change, err
		}
		change, err := s.commit(ctx, p, name, who)
		if !errors.Is(err, errBetween) {
			return change, err
		}
	}
	return nil, fmt.Errorf("%s: nothing was applied: %w, %d times; try again", name, errBetween, maxTries)
}

// commit makes a planned change, or fails with errBetween if objects have changed
// since it was planned.
func (s *Space) commit(ctx context.Context, p *plan, name, who string) (*Change, error) {
	if p.change.Empty() {
		return &p.change, nil
	}
	err := s.config.Store.Update(ctx, func(tx *store.Tx) error { return s.write(tx, p, who) })
	if errors.Is(err, errBetween) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: nothing was applied: %w", name, err)
	}
	return &p.change, s.applied(ctx)
}

func (s *Space) applied(ctx context.Context) error {
	if s.config.Applied == nil {
		return nil
	}
	// The change is made: its readers must hear of it even if the asker is gone.
	if err := s.config.Applied(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("the change is kept, but the server could not take it up: %w", err)
	}
	return nil
}

// write makes the change and its version.
func (s *Space) write(tx *store.Tx, p *plan, who string) error {
	if err := tx.Lock("space"); err != nil {
		return err
	}
	last, err := lastVersion(tx)
	if err != nil {
		return err
	}
	if last != p.base {
		return errBetween
	}
	for _, step := range p.steps {
		if err := step.owner.write(tx, step.put, step.remove); err != nil {
			return err
		}
	}
	p.change.Version = last + 1
	return putVersion(tx, Version{
		Number: last + 1, Time: s.config.Now(), Who: who, Summary: p.change.Summary(),
	}, s.render(p.wanted))
}
