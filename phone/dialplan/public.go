package dialplan

import (
	"fmt"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/store"
)

// maxPublicName bounds the name of a public destination.
const maxPublicName = 64

// Public is a destination that strangers may call without an account, as
// sip:NAME@domain: one [[public]] of space.toml. Whoever is not named so is asked
// for a digest like every caller.
type Public struct {
	// Name is what stands before the @: letters, digits, and . _ - in any case.
	Name string `toml:"name"`
	// To is where the call goes. It is no trunk: strangers would call the world at
	// the cost of the house.
	To string `toml:"to"`
}

// Publics is the table of public destinations as package space applies it.
type Publics struct{}

// Kind is the name of the objects in space.toml.
func (Publics) Kind() string { return "public" }

// Key tells them apart.
func (Publics) Key(p Public) string { return p.Name }

// Normal writes the same thing in one way.
func (Publics) Normal(p *Public) { p.Name = strings.ToLower(p.Name) }

// Compare is the order in which they are listed.
func (Publics) Compare(a, b Public) int { return strings.Compare(a.Name, b.Name) }

// Unnamed says that a public name is no destination itself.
func (Publics) Unnamed() {}

// Refs are the objects that one names, by field.
func (Publics) Refs(p Public) map[string]string {
	d, err := ParseDestination(p.To)
	if err != nil {
		return nil
	}
	return map[string]string{"to": d.Ref()}
}

// Check finds what is wrong with each.
func (Publics) Check(all []Public) []form.Problem {
	var found []form.Problem
	for i, p := range all {
		add := func(field, what, fix string) {
			found = append(found, form.Problem{Index: i, Field: field, What: what, Fix: fix})
		}
		odd := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
		}
		if p.Name == "" || len(p.Name) > maxPublicName || strings.ContainsFunc(p.Name, odd) {
			add("name", fmt.Sprintf("%q is not a name to be called by", p.Name), fmt.Sprintf("write up to %d letters, digits, . - or _ instead", maxPublicName))
		}
		d, err := ParseDestination(p.To)
		switch {
		case err != nil:
			add("to", err.Error(), `write kind:name such as "extension:101" instead`)
		case d.Kind == "trunk":
			add("to", fmt.Sprintf("%q would let strangers call at the cost of the house", p.To), "name a destination of the house")
		}
	}
	return found
}

// Read reads all, in the order of Compare.
func (t Publics) Read(tx *store.Tx) ([]Public, error) {
	rows, err := tx.Query("SELECT name, destination FROM dialplan_public")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []Public
	for rows.Next() {
		var p Public
		if err := rows.Scan(&p.Name, &p.To); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	slices.SortFunc(all, t.Compare)
	return all, rows.Err()
}

// Write puts and removes, by Key.
func (Publics) Write(tx *store.Tx, put []Public, remove []string) error {
	for _, name := range remove {
		if _, err := tx.Exec("DELETE FROM dialplan_public WHERE name = ?", name); err != nil {
			return err
		}
	}
	for _, p := range put {
		_, err := tx.Exec(`INSERT INTO dialplan_public (name, destination) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET destination = excluded.destination`, p.Name, p.To)
		if err != nil {
			return fmt.Errorf("public %s: %w", p.Name, err)
		}
	}
	return nil
}

// Public gives the destination that strangers reach by a name.
func (p *Plan) Public(name string) (Destination, bool) {
	if len(name) > maxPublicName {
		return Destination{}, false
	}
	d, ok := p.now.Load().public[strings.ToLower(name)]
	return d, ok
}
