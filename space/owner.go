package space

import (
	"errors"
	"fmt"
	"slices"

	"tincan/config/form"
	"tincan/secret"
	"tincan/store"
)

// SecretLength is that of a secret made here: 99 bits.
const SecretLength = 20

// MaxObjects bounds the objects of one kind.
const MaxObjects = 100_000

// Table is what a package implements for one kind of objects that it owns. T is a
// struct with toml tags, of strings, numbers, booleans, times and lists of these.
// It may also have Normal, Refs, Secret and Unnamed (see the interfaces below).
type Table[T any] interface {
	// Kind is the word in [[kind]] and before the colon of a destination.
	Kind() string
	// Key tells objects of the kind apart; it is the name in a destination.
	Key(T) string
	// Compare is the order of an export.
	Compare(a, b T) int
	// Check finds what is wrong with objects as they were written; their keys'
	// uniqueness and their references are checked by Space.
	Check([]T) []form.Problem
	// Read gives all in the order of Compare.
	Read(*store.Tx) ([]T, error)
	// Write puts those that are new or changed and removes others by Key.
	Write(tx *store.Tx, put []T, remove []string) error
}

// normaler is a Table that writes the same thing in one way.
type normaler[T any] interface{ Normal(*T) }

// referrer is a Table whose objects name others: by field, as kind:name.
type referrer[T any] interface{ Refs(T) map[string]string }

// secretive is a Table whose objects have a secret, in the field "secret", sealed
// for the context. text is nil for an object that has none.
type secretive[T any] interface {
	Secret(*T) (text *string, context string)
}

// foreign is a secretive Table of which some secrets come from elsewhere: they
// cannot be made here when they are left out.
type foreign[T any] interface{ Foreign(T) bool }

// unnamed is a Table whose objects are no destinations: nothing can refer to them.
type unnamed interface{ Unnamed() }

// secretField is the field that holds a secret in every kind that has one.
const secretField = "secret"

// Owner is one kind of objects, as Space works with it. Objects makes it.
type Owner interface {
	kind() string
	decode(*form.Document) (set, form.Faults)
	read(*store.Tx) (set, error)
	settle(set, set, *form.Document, *secret.Box) form.Faults
	reveal(set, *secret.Box) error
	write(tx *store.Tx, put []*object, remove []string) error
	refs(*object) map[string]string
	destinations() bool
}

// Objects makes an Owner of a Table.
func Objects[T any](t Table[T]) Owner { return kind[T]{t} }

func (k kind[T]) destinations() bool {
	_, no := k.table.(unnamed)
	return !no
}

// object is one object of some kind.
type object struct {
	key    string
	value  any         // *T
	lines  []form.Line // as it is written
	path   string      // where in the document
	secret string      // what became of its secret: "", "kept", "set" or "made"
}

// set is all objects of one kind, in order.
type set []*object

func (s set) byKey() map[string]*object {
	m := make(map[string]*object, len(s))
	for _, o := range s {
		m[o.key] = o
	}
	return m
}

// kind is the Owner of a Table.
type kind[T any] struct{ table Table[T] }

func (k kind[T]) kind() string { return k.table.Kind() }

func (k kind[T]) object(value *T, path string) *object {
	return &object{key: k.table.Key(*value), value: value, path: path, lines: form.Lines(value)}
}

// decode reads the objects of a document, in the order of an export.
func (k kind[T]) decode(doc *form.Document) (set, form.Faults) {
	tables, faults := k.tables(doc)
	values := make([]T, len(tables))
	for i, table := range tables {
		faults = append(faults, doc.DecodeTable(k.path(i), table, &values[i])...)
	}
	for _, p := range k.table.Check(values) {
		if at := k.field(p); !broken(faults, at) {
			faults = append(faults, doc.Fault(at, p.What, p.Fix))
		}
	}
	all := make(set, len(values))
	for i := range values {
		if n, ok := k.table.(normaler[T]); ok {
			n.Normal(&values[i])
		}
		all[i] = k.object(&values[i], k.path(i))
	}
	faults = append(faults, k.twice(all, doc)...)
	slices.SortStableFunc(all, func(a, b *object) int { return k.table.Compare(*a.value.(*T), *b.value.(*T)) })
	return all, faults
}

func (k kind[T]) path(i int) string { return fmt.Sprintf("%s[%d]", k.kind(), i) }

func (k kind[T]) field(p form.Problem) string {
	if p.Field == "" {
		return k.path(p.Index)
	}
	return k.path(p.Index) + "." + p.Field
}

// broken tells whether a value could not even be read: what it would mean is then
// no news.
func broken(faults form.Faults, path string) bool {
	return slices.ContainsFunc(faults, func(f form.Fault) bool { return f.Key == path })
}

func (k kind[T]) tables(doc *form.Document) ([]map[string]any, form.Faults) {
	v, ok := doc.Root[k.kind()]
	if !ok {
		return nil, nil
	}
	fix := fmt.Sprintf("write [[%s]] above each instead", k.kind())
	list, ok := v.([]any)
	if !ok {
		return nil, form.Faults{doc.Fault(k.kind(), "is not a list of tables", fix)}
	}
	if len(list) > MaxObjects {
		return nil, form.Faults{doc.Fault(k.kind(), fmt.Sprintf("there are %d, more than %d", len(list), MaxObjects), "remove some")}
	}
	tables := make([]map[string]any, len(list))
	for i, item := range list {
		if tables[i], ok = item.(map[string]any); !ok {
			return nil, form.Faults{doc.Fault(k.path(i), "is not a table", fix)}
		}
	}
	return tables, nil
}

// twice finds objects with one key.
func (k kind[T]) twice(all set, doc *form.Document) (faults form.Faults) {
	seen := map[string]*object{}
	for _, o := range all {
		if first := seen[o.key]; first != nil && o.key != "" {
			faults = append(faults, doc.Fault(o.path, fmt.Sprintf("%s %q is there twice, first in line %d", k.kind(), o.key, doc.Line(first.path)),
				"remove one, or give it another name or number"))
			continue
		}
		seen[o.key] = o
	}
	return faults
}

func (k kind[T]) read(tx *store.Tx) (set, error) {
	values, err := k.table.Read(tx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.kind(), err)
	}
	all := make(set, len(values))
	for i := range values {
		all[i] = k.object(&values[i], "")
	}
	return all, nil
}

func (k kind[T]) write(tx *store.Tx, put []*object, remove []string) error {
	values := make([]T, len(put))
	for i, o := range put {
		values[i] = *o.value.(*T)
	}
	return k.table.Write(tx, values, remove)
}

// settle seals the secrets of wanted, keeping a sealed text that is stored already
// for the same secret, and makes those that are left out.
func (k kind[T]) settle(wanted, stored set, doc *form.Document, box *secret.Box) (faults form.Faults) {
	table, ok := k.table.(secretive[T])
	if !ok {
		return nil
	}
	have := stored.byKey()
	for _, o := range wanted {
		text, context := table.Secret(o.value.(*T))
		if text == nil {
			continue
		}
		old := ""
		if was := have[o.key]; was != nil {
			if t, _ := table.Secret(was.value.(*T)); t != nil {
				old = *t
			}
		}
		if f, ok := k.table.(foreign[T]); ok && f.Foreign(*o.value.(*T)) && *text == "" && old == "" {
			what := fmt.Sprintf("the secret of %s %q is missing", k.kind(), o.key)
			faults = append(faults, doc.Fault(o.path+"."+secretField, what, "write the password that the other side gave you"))
			continue
		}
		if err := o.settle(text, old, context, box); err != nil {
			what := fmt.Sprintf("the secret of %s %q is sealed and does not open: %v", k.kind(), o.key, err)
			faults = append(faults, doc.Fault(o.path+"."+secretField, what, "or leave it out to keep the one that is there, or have one made"))
		}
		o.lines = form.Lines(o.value)
	}
	return faults
}

// settle turns text, as it was written, into what is stored.
func (o *object) settle(text *string, old, context string, box *secret.Box) error {
	o.secret = "set"
	plain := *text
	switch {
	case plain == "" && old != "":
		*text, o.secret = old, "kept"
		return nil
	case plain == "":
		plain, o.secret = secret.Generate(SecretLength), "made"
	case plain == old:
		o.secret = "kept"
		_, err := box.Unseal(old, context)
		return err
	case secret.IsSealed(plain):
		opened, err := box.Unseal(plain, context)
		if err != nil {
			return err
		}
		plain = string(opened)
	default:
		*text = ""
	}
	if was, err := box.Unseal(old, context); err == nil && string(was) == plain {
		*text, o.secret = old, "kept"
		return nil
	}
	if !secret.IsSealed(*text) {
		*text = box.Seal([]byte(plain), context)
	}
	return nil
}

// reveal opens the secrets of all.
func (k kind[T]) reveal(all set, box *secret.Box) error {
	table, ok := k.table.(secretive[T])
	if !ok {
		return nil
	}
	var failed []error
	for _, o := range all {
		text, context := table.Secret(o.value.(*T))
		if text == nil {
			continue
		}
		plain, err := box.Unseal(*text, context)
		if err != nil {
			failed = append(failed, fmt.Errorf("the secret of %s %q: %w", k.kind(), o.key, err))
			continue
		}
		*text = string(plain)
		o.lines = form.Lines(o.value)
	}
	return errors.Join(failed...)
}

// refs are the references of an object, if its kind has any.
func (k kind[T]) refs(o *object) map[string]string {
	if r, ok := k.table.(referrer[T]); ok {
		return r.Refs(*o.value.(*T))
	}
	return nil
}
