package space

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/store"
)

// MaxDocument bounds the bytes of a document: some 100,000 objects.
const MaxDocument = 32 << 20

// plan reads a document and what is stored, and finds the difference. On an error
// the plan is empty, never nil.
func (s *Space) plan(ctx context.Context, text []byte, name string) (*plan, error) {
	p := &plan{}
	if len(text) > MaxDocument {
		return p, fmt.Errorf("%s has %d bytes, more than %d", name, len(text), MaxDocument)
	}
	doc, err := form.Parse(name, text)
	if err != nil {
		return p, err
	}
	wanted, faults := s.decode(doc)
	var stored []set
	err = s.config.Store.View(ctx, func(tx *store.Tx) (err error) {
		if p.base, err = lastVersion(tx); err != nil {
			return err
		}
		stored, err = s.read(tx)
		return err
	})
	if err != nil {
		return p, err
	}
	for i, o := range s.config.Owners {
		faults = append(faults, o.settle(wanted[i], stored[i], doc, s.config.Box)...)
	}
	if err := faults.Err(); err != nil {
		return p, err
	}
	p.wanted = wanted
	for i, o := range s.config.Owners {
		changes, put, remove := difference(o.kind(), wanted[i], stored[i])
		p.change.Objects = append(p.change.Objects, changes...)
		p.steps = append(p.steps, step{o, put, remove})
	}
	return p, nil
}

func (s *Space) read(tx *store.Tx) (all []set, err error) {
	all = make([]set, len(s.config.Owners))
	for i, o := range s.config.Owners {
		if all[i], err = o.read(tx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// decode reads and checks the whole document.
func (s *Space) decode(doc *form.Document) (wanted []set, faults form.Faults) {
	var kinds []string
	for _, o := range s.config.Owners {
		kinds = append(kinds, o.kind())
		all, bad := o.decode(doc)
		wanted, faults = append(wanted, all), append(faults, bad...)
	}
	for _, key := range slices.Sorted(maps.Keys(doc.Root)) {
		if !slices.Contains(kinds, key) {
			faults = append(faults, doc.Fault(key, "is not known", form.Suggest(key, kinds)))
		}
	}
	return wanted, append(faults, s.dangling(doc, wanted)...)
}

// dangling finds references to what is not there.
func (s *Space) dangling(doc *form.Document, wanted []set) (faults form.Faults) {
	names := s.names(wanted)
	for i, o := range s.config.Owners {
		for _, obj := range wanted[i] {
			refs := o.refs(obj)
			for _, field := range slices.Sorted(maps.Keys(refs)) {
				if what, fix := s.lacks(names, refs[field]); what != "" {
					faults = append(faults, doc.Fault(obj.path+"."+field, what, fix))
				}
			}
		}
	}
	return faults
}

// names are those of everything that there is, by kind.
func (s *Space) names(wanted []set) map[string]map[string]bool {
	names := map[string]map[string]bool{}
	for kind, fixed := range s.config.Fixed {
		names[kind] = map[string]bool{}
		for _, n := range fixed {
			names[kind][n] = true
		}
	}
	for i, o := range s.config.Owners {
		if !o.destinations() {
			continue
		}
		names[o.kind()] = make(map[string]bool, len(wanted[i]))
		for _, obj := range wanted[i] {
			names[o.kind()][obj.key] = true
		}
	}
	return names
}

// lacks says what is wrong with a reference kind:name, if anything.
func (s *Space) lacks(names map[string]map[string]bool, ref string) (what, fix string) {
	kind, name, _ := strings.Cut(ref, ":")
	known, ok := names[kind]
	if !ok {
		return fmt.Sprintf("%q: there is no such kind of destination", ref), form.Suggest(kind, slices.Sorted(maps.Keys(names)))
	}
	if fixed, ok := s.config.Fixed[kind]; known[name] || ok && len(fixed) == 0 {
		return "", ""
	}
	what = fmt.Sprintf("there is no %s %q", kind, name)
	all := slices.Sorted(maps.Keys(known))
	best, near := form.Nearest(name, all)
	_, fixed := s.config.Fixed[kind]
	switch {
	case near && fixed:
		return what, fmt.Sprintf("write \"%s:%s\" instead", kind, best)
	case near:
		return what, fmt.Sprintf("write \"%s:%s\" instead, or add it as [[%s]]", kind, best, kind)
	case fixed:
		return what, form.Suggest(name, all)
	}
	return what, fmt.Sprintf("add it as [[%s]], or write one that is there instead", kind)
}
