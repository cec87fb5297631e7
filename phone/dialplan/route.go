package dialplan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/store"
)

// Route is what a number dialled from somewhere means: one [[route]] of
// space.toml.
type Route struct {
	// From is who dials: "extension:101" or "trunk:load"; empty: any extension,
	// never a trunk.
	From string `toml:"from,omitempty"`
	// Number is an Asterisk pattern: X Z N [1-5] . ! and plain digits, * and #.
	Number string `toml:"number"`
	// To is a destination; ${NUMBER} in it is the number dialled, ${NUMBER:2} that
	// without its first two signs, ${NUMBER:-3} its last three, ${NUMBER:1:4} four
	// after the first.
	To string `toml:"to"`
}

// Routes is the table of routes as package space applies it.
type Routes struct{}

// Kind is the name of the objects in space.toml.
func (Routes) Kind() string { return "route" }

// Key tells routes apart: two spellings of one pattern are one.
func (Routes) Key(r Route) string {
	if r.From == "" {
		return r.Number
	}
	return r.From + " " + r.Number
}

// Normal writes the same thing in one way.
func (Routes) Normal(r *Route) { r.Number = strings.TrimPrefix(r.Number, "_") }

// Compare is the order in which routes are listed.
func (Routes) Compare(a, b Route) int {
	return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.Number, b.Number))
}

// Unnamed says that a route is no destination.
func (Routes) Unnamed() {}

// Refs are the objects that a route names, by field. One whose name depends on the
// number cannot be told.
func (Routes) Refs(r Route) map[string]string {
	refs := map[string]string{}
	if d, err := ParseDestination(r.From); err == nil {
		refs["from"] = d.Ref()
	}
	if t, err := parseTemplate(r.To); err == nil {
		if ref, ok := t.ref(); ok {
			refs["to"] = ref
		}
	}
	return refs
}

// Check finds what is wrong with each, and patterns that are the same written
// differently.
func (Routes) Check(all []Route) []form.Problem {
	var found []form.Problem
	seen := map[string]string{}
	for i, r := range all {
		add := func(field, what, fix string) {
			found = append(found, form.Problem{Index: i, Field: field, What: what, Fix: fix})
		}
		if what, fix := checkFrom(r.From); what != "" {
			add("from", what, fix)
		}
		if _, err := parseTemplate(r.To); err != nil {
			add("to", err.Error(), `write kind:name such as "extension:101" or "trunk:name/${NUMBER}" instead`)
		}
		p, err := parsePattern(r.Number)
		if err != nil {
			add("number", err.Error(), `write digits, X, Z, N, [1-5], and . or ! at the end instead`)
			continue
		}
		key := r.From + " " + p.key()
		if other, ok := seen[key]; ok && other != r.Number {
			add("number", fmt.Sprintf("pattern %q means the same as %q above", r.Number, other), "remove one")
		}
		seen[key] = r.Number
	}
	return found
}

func checkFrom(from string) (what, fix string) {
	if from == "" {
		return "", ""
	}
	const example = `write "trunk:NAME" or "extension:NUMBER" instead, or leave it out for any extension`
	d, err := ParseDestination(from)
	switch {
	case err != nil:
		return err.Error(), example
	case d.Kind != "trunk" && d.Kind != "extension" || d.Rest != "":
		return fmt.Sprintf("%q is nobody who calls", from), example
	}
	return "", ""
}

// Read reads all, in the order of Compare.
func (t Routes) Read(tx *store.Tx) ([]Route, error) {
	rows, err := tx.Query("SELECT source, number, destination FROM dialplan_route")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []Route
	for rows.Next() {
		var r Route
		if err := rows.Scan(&r.From, &r.Number, &r.To); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, t.Compare)
	return all, rows.Err()
}

// Write puts and removes, by Key.
func (Routes) Write(tx *store.Tx, put []Route, remove []string) error {
	for _, key := range remove {
		from, number, ok := strings.Cut(key, " ")
		if !ok {
			from, number = "", key
		}
		if _, err := tx.Exec("DELETE FROM dialplan_route WHERE source = ? AND number = ?", from, number); err != nil {
			return err
		}
	}
	for _, r := range put {
		_, err := tx.Exec(`INSERT INTO dialplan_route (source, number, destination) VALUES (?, ?, ?)
			ON CONFLICT (source, number) DO UPDATE SET destination = excluded.destination`, r.From, r.Number, r.To)
		if err != nil {
			return fmt.Errorf("route %s: %w", r.Number, err)
		}
	}
	return nil
}
