package presence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"tincan/config/form"
	"tincan/store"
)

const (
	// MaxMembers bounds a list, so that the full state of all fits into a datagram.
	MaxMembers = 50
	maxName    = 32
)

// List is a name under which a phone watches many extensions with one subscription
// (RFC 4662): one [[list]] of space.toml.
type List struct {
	// Name is what phones subscribe to: letters, digits, - and _, and not a number.
	Name string `toml:"name"`
	// Members are numbers of extensions.
	Members []string `toml:"members"`
}

// Lists is the table of lists as package space applies it.
type Lists struct{}

// Kind is the name of the objects in space.toml.
func (Lists) Kind() string { return "list" }

// Key tells lists apart.
func (Lists) Key(l List) string { return l.Name }

// Compare is the order in which lists are listed.
func (Lists) Compare(a, b List) int { return strings.Compare(a.Name, b.Name) }

// Unnamed says that a list is no destination.
func (Lists) Unnamed() {}

// Refs are the extensions that a list names, by field.
func (Lists) Refs(l List) map[string]string {
	refs := map[string]string{}
	for i, m := range l.Members {
		refs[fmt.Sprintf("members[%d]", i)] = "extension:" + m
	}
	return refs
}

// Check finds what is wrong with each by itself.
func (Lists) Check(all []List) (found []form.Problem) {
	for i, l := range all {
		add := func(field, what, fix string) {
			found = append(found, form.Problem{Index: i, Field: field, What: what, Fix: fix})
		}
		if !isName(l.Name) {
			add("name", fmt.Sprintf("%q is not a list's name", l.Name), fmt.Sprintf("write up to %d letters, digits, - and _, beginning with a letter, instead", maxName))
		}
		if len(l.Members) == 0 || len(l.Members) > MaxMembers {
			add("members", fmt.Sprintf("there are %d", len(l.Members)), fmt.Sprintf("write 1 to %d numbers of extensions instead", MaxMembers))
		}
		for j, m := range l.Members {
			if slices.Contains(l.Members[:j], m) {
				add(fmt.Sprintf("members[%d]", j), fmt.Sprintf("%q comes twice", m), "remove one")
			}
			if strings.ContainsFunc(m, unicode.IsSpace) || m == "" {
				add(fmt.Sprintf("members[%d]", j), fmt.Sprintf("%q is no number", m), "write an extension's number instead")
			}
		}
	}
	return found
}

func isName(s string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// Read reads all, in order.
func (Lists) Read(tx *store.Tx) ([]List, error) {
	rows, err := tx.Query("SELECT name, members FROM presence_list ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []List
	for rows.Next() {
		var l List
		var members string
		if err := rows.Scan(&l.Name, &members); err != nil {
			return nil, err
		}
		l.Members = strings.Fields(members)
		all = append(all, l)
	}
	slices.SortFunc(all, Lists{}.Compare) // databases order text in their own ways
	return all, rows.Err()
}

// Write puts and removes.
func (Lists) Write(tx *store.Tx, put []List, remove []string) error {
	for _, name := range remove {
		if _, err := tx.Exec("DELETE FROM presence_list WHERE name = ?", name); err != nil {
			return err
		}
	}
	for _, l := range put {
		_, err := tx.Exec(`INSERT INTO presence_list (name, members) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET members = excluded.members`, l.Name, strings.Join(l.Members, " "))
		if err != nil {
			return fmt.Errorf("list %s: %w", l.Name, err)
		}
	}
	return nil
}

// Book has the lists for readers. Safe for any goroutine.
type Book struct {
	store *store.Store
	now   atomic.Pointer[map[string][]string]
}

// OpenBook migrates the tables and reads the lists.
func OpenBook(ctx context.Context, s *store.Store) (*Book, error) {
	if err := Migrate(ctx, s); err != nil {
		return nil, err
	}
	b := &Book{store: s}
	return b, b.Reload(ctx)
}

// Reload reads the lists again.
func (b *Book) Reload(ctx context.Context) error {
	all := map[string][]string{}
	err := b.store.View(ctx, func(tx *store.Tx) error {
		lists, err := Lists{}.Read(tx)
		for _, l := range lists {
			all[l.Name] = l.Members
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("lists: %w", err)
	}
	b.now.Store(&all)
	return nil
}

// List gives the members of a list.
func (b *Book) List(name string) (members []string, ok bool) {
	members, ok = (*b.now.Load())[name]
	return members, ok
}
