package space

import (
	"fmt"
	"strings"
)

// Actions of an ObjectChange.
const (
	Added   = "added"
	Changed = "changed"
	Removed = "removed"
)

// Change is what an apply changes, or would change.
type Change struct {
	// Version is the one that was made; 0: none, because nothing changed or it was
	// only planned.
	Version int64          `json:"version,omitempty"`
	Objects []ObjectChange `json:"objects"`
}

// ObjectChange is what becomes of one object.
type ObjectChange struct {
	Action string        `json:"action"` // Added, Changed or Removed
	Kind   string        `json:"kind"`
	Key    string        `json:"key"`
	Fields []FieldChange `json:"fields,omitempty"`
}

// FieldChange is what becomes of a field; its values are as written in TOML. A
// secret's are words: "made", "set", "changed"; never the secret, sealed or not.
type FieldChange struct {
	Name string `json:"name"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Empty tells whether nothing changes.
func (c *Change) Empty() bool { return len(c.Objects) == 0 }

// Summary is one line, such as "2 extensions added, 1 route removed".
func (c *Change) Summary() string {
	type what struct{ action, kind string }
	count := map[what]int{}
	var order []what
	for _, o := range c.Objects {
		w := what{o.Action, o.Kind}
		if count[w] == 0 {
			order = append(order, w)
		}
		count[w]++
	}
	var parts []string
	for _, w := range order {
		plural := ""
		if count[w] > 1 {
			plural = "s"
		}
		parts = append(parts, fmt.Sprintf("%d %s%s %s", count[w], w.kind, plural, w.action))
	}
	if parts == nil {
		return "nothing changes"
	}
	return strings.Join(parts, ", ")
}

// String is the change for people: an object a paragraph, then the summary.
func (c *Change) String() string {
	var b strings.Builder
	for _, o := range c.Objects {
		sign := map[string]string{Added: "+", Changed: "~", Removed: "-"}[o.Action]
		fmt.Fprintf(&b, "%s %s %s\n", sign, o.Kind, o.Key)
		for _, f := range o.Fields {
			b.WriteString("    " + f.String() + "\n")
		}
	}
	b.WriteString(c.Summary() + "\n")
	return b.String()
}

// String is the field for people.
func (f FieldChange) String() string {
	switch {
	case f.Name == secretField:
		return f.Name + ": " + f.New
	case f.Old == "":
		return f.Name + " = " + f.New
	case f.New == "":
		return f.Name + ": " + f.Old + " -> left out"
	}
	return f.Name + ": " + f.Old + " -> " + f.New
}

// difference finds what must be put and removed to make wanted of stored.
func difference(kind string, wanted, stored set) (changes []ObjectChange, put []*object, remove []string) {
	have, want := stored.byKey(), wanted.byKey()
	for _, o := range wanted {
		was := have[o.key]
		change := ObjectChange{Action: Added, Kind: kind, Key: o.key, Fields: o.fields(was)}
		if was != nil {
			change.Action = Changed
			if len(change.Fields) == 0 {
				continue
			}
		}
		changes, put = append(changes, change), append(put, o)
	}
	for _, o := range stored {
		if want[o.key] == nil {
			changes, remove = append(changes, ObjectChange{Action: Removed, Kind: kind, Key: o.key}), append(remove, o.key)
		}
	}
	return changes, put, remove
}

// fields are those in which o differs from was, which may be nil.
func (o *object) fields(was *object) (changes []FieldChange) {
	old := map[string]string{}
	if was != nil {
		for _, l := range was.lines {
			old[l.Name] = l.Value
		}
	}
	for _, l := range o.lines {
		before, had := old[l.Name]
		delete(old, l.Name)
		switch {
		case had && before == l.Value:
		case l.Name == secretField && o.secret != "":
			changes = append(changes, FieldChange{Name: l.Name, New: o.secretWord(was != nil)})
		default:
			changes = append(changes, FieldChange{Name: l.Name, Old: before, New: l.Value})
		}
	}
	if was != nil {
		for _, l := range was.lines { // in their order
			if before, left := old[l.Name]; left {
				changes = append(changes, FieldChange{Name: l.Name, Old: before})
			}
		}
	}
	return changes
}

func (o *object) secretWord(existed bool) string {
	if existed {
		return "changed"
	}
	return o.secret
}
