package space

import (
	"context"
	"errors"
	"fmt"

	"tincan/config/form"
	"tincan/store"
)

// Object is one object as an export writes it; a secret in Lines is sealed.
type Object struct {
	Kind  string
	Key   string // read only: what counts for a new object is in its Lines
	Lines []form.Line
}

// Edit changes some objects and leaves the others as they are: edit gets all in the
// order of an export and gives all that there shall be. The rest is as in Apply;
// faults have no lines, since there is no file. edit may be called again, when
// another node's change came between; its error ends Edit.
func (s *Space) Edit(ctx context.Context, name, who string, edit func([]Object) ([]Object, error)) (*Change, error) {
	s.one.Lock()
	defer s.one.Unlock()
	for range maxTries {
		change, err := s.edit(ctx, name, who, edit)
		if !errors.Is(err, errBetween) {
			return change, err
		}
	}
	return nil, fmt.Errorf("%s: nothing was changed: %w, %d times; try again", name, errBetween, maxTries)
}

func (s *Space) edit(ctx context.Context, name, who string, edit func([]Object) ([]Object, error)) (*Change, error) {
	base, have, err := s.objects(ctx)
	if err != nil {
		return nil, err
	}
	want, err := edit(have)
	if err != nil {
		return nil, err
	}
	p, err := s.plan(ctx, []byte(write(want)), name)
	if err != nil {
		return nil, placeless(err)
	}
	if p.base != base {
		return nil, errBetween
	}
	return s.commit(ctx, p, name, who)
}

// objects reads all, and the version that they are.
func (s *Space) objects(ctx context.Context) (base int64, list []Object, err error) {
	var all []set
	err = s.config.Store.View(ctx, func(tx *store.Tx) (err error) {
		if base, err = lastVersion(tx); err != nil {
			return err
		}
		all, err = s.read(tx)
		return err
	})
	return base, s.list(all), err
}

func (s *Space) list(all []set) (list []Object) {
	for i, objects := range all {
		for _, o := range objects {
			list = append(list, Object{s.config.Owners[i].kind(), o.key, o.lines})
		}
	}
	return list
}

// placeless takes away lines of a text that nobody has seen.
func placeless(err error) error {
	var faults form.Faults
	if !errors.As(err, &faults) {
		return err
	}
	for i := range faults {
		faults[i].Line, faults[i].Col = 0, 0
	}
	return faults
}
