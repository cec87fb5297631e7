package form

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where something stands in the text, from 1.
type place struct{ line, col int }

// Document is a parsed file. It is read-only.
type Document struct {
	// Name is the file's, as it appears in faults.
	Name string
	// Root is the text's values: string, bool, int64, float64, dates of go-toml,
	// []any and map[string]any.
	Root   map[string]any
	text   []byte
	lines  []int          // where each begins
	places map[string]int // offset by path: "sip.udp[0]", "extension[3].number"
}

// Parse reads TOML; text must not change while the Document is used. A syntax error is Faults with one Fault.
func Parse(name string, text []byte) (*Document, error) {
	d := &Document{Name: name, Root: map[string]any{}, text: text, lines: []int{0}, places: map[string]int{}}
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if err := toml.Unmarshal(text, &d.Root); err != nil {
		return nil, d.syntax(err)
	}
	if err := d.locate(text); err != nil {
		return nil, d.syntax(err)
	}
	return d, nil
}

func (d *Document) syntax(err error) Faults {
	f := Fault{File: d.Name, What: strings.TrimPrefix(err.Error(), "toml: ")}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		f.Line, f.Col = at.Position()
		f.Key = strings.Join(at.Key(), ".")
		f.Fix = "correct the TOML there (https://toml.io)"
	}
	return Faults{f}
}

// Fault makes a fault at path, or at the nearest thing around it that is written
// in the file.
func (d *Document) Fault(path, what, fix string) Fault {
	at := d.at(path)
	return Fault{File: d.Name, Line: at.line, Col: at.col, Key: path, What: what, Fix: fix}
}

// Has tells whether path is written in the file.
func (d *Document) Has(path string) bool {
	_, ok := d.places[path]
	return ok
}

// Line is where path, or the nearest thing around it, is written; 0: nowhere.
func (d *Document) Line(path string) int { return d.at(path).line }

func (d *Document) at(path string) place {
	for {
		if offset, ok := d.places[path]; ok {
			return d.place(offset)
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return place{}
		}
		path = path[:i]
	}
}

func (d *Document) place(offset int) place {
	line, found := slices.BinarySearch(d.lines, offset)
	if found {
		line++
	}
	return place{line, utf8.RuneCount(d.text[d.lines[line-1]:offset]) + 1}
}

// locate walks the text a second time for the places, which values do not keep.
func (d *Document) locate(text []byte) error {
	l := locator{places: d.places, lists: map[string]int{}}
	l.parser.Reset(text)
	for l.parser.NextExpression() {
		l.expression(l.parser.Expression())
	}
	return l.parser.Error()
}

// locator follows the headers of a document.
type locator struct {
	parser unstable.Parser
	places map[string]int
	lists  map[string]int // how many [[headers]] of each path came
	table  string         // the table that keys belong to now
}

func (l *locator) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table:
		l.table = l.header(n.Key(), false)
	case unstable.ArrayTable:
		l.table = l.header(n.Key(), true)
	case unstable.KeyValue:
		l.pair(l.table, n)
	}
}

// header is the path of [a.b] or [[a.b]], with the number of each list's last
// table.
func (l *locator) header(key unstable.Iterator, list bool) string {
	path := ""
	for key.Next() {
		n := key.Node()
		path = join(path, string(n.Data))
		if !key.IsLast() || !list {
			if count := l.lists[path]; count > 0 {
				path = fmt.Sprintf("%s[%d]", path, count-1)
			}
			l.mark(path, n)
			continue
		}
		l.mark(path, n)
		l.lists[path]++
		path = fmt.Sprintf("%s[%d]", path, l.lists[path]-1)
		l.mark(path, n)
	}
	return path
}

func (l *locator) pair(table string, n *unstable.Node) {
	path := table
	for key := n.Key(); key.Next(); {
		path = join(path, string(key.Node().Data))
		l.mark(path, key.Node())
	}
	l.value(path, n.Value())
}

func (l *locator) value(path string, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			l.pair(path, it.Node())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			item := fmt.Sprintf("%s[%d]", path, i)
			l.mark(item, it.Node())
			l.value(item, it.Node())
			i++
		}
	}
}

// mark notes the first place of path. Nodes without a range of their own (lists,
// inline tables) keep that of what is around them.
func (l *locator) mark(path string, n *unstable.Node) {
	if _, ok := l.places[path]; ok || n.Raw.Length == 0 {
		return
	}
	l.places[path] = int(n.Raw.Offset)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
