package form

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with a file.
type Fault struct {
	File      string
	Line, Col int    // from 1; 0 when not known
	Key       string // dotted; empty when it is about the file itself
	What      string // what is wrong
	Fix       string // what to do: "write ... instead"
}

// Error has the form `file:line:col: key "x": what; fix`.
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
	}
	b.WriteString(": ")
	if f.Key != "" {
		fmt.Fprintf(&b, "key %q: ", f.Key)
	}
	b.WriteString(f.What)
	if f.Fix != "" {
		b.WriteString("; " + f.Fix)
	}
	return b.String()
}

// Faults are all that is wrong with a file.
type Faults []Fault

// Error gives one fault a line, in the order of the file.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Sort puts the faults in the order of the file.
func (f Faults) Sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
}

// Err is f in the file's order as an error, nil when there is none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	f.Sort()
	return f
}
