package form

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Line is one field of an object as it is written in TOML.
type Line struct{ Name, Value string }

// Lines are the fields of the struct (with toml tags) that v is or points to, in
// their order. Fields whose tag says omitempty are left out while they have their
// zero value. It knows strings, whole numbers, booleans, time.Duration, whatever
// has MarshalText, lists of these, and pointers to them (nil: not said); another
// type is a mistake of the program and panics.
func Lines(v any) []Line {
	s := reflect.Indirect(reflect.ValueOf(v))
	var lines []Line
	for i := range s.NumField() {
		name, more, _ := strings.Cut(s.Type().Field(i).Tag.Get("toml"), ",")
		f := s.Field(i)
		if name == "" || name == "-" || more == "omitempty" && (f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0) {
			continue
		}
		lines = append(lines, Line{name, write(f)})
	}
	return lines
}

func write(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		return write(v.Elem())
	}
	switch t := v.Interface().(type) {
	case time.Duration:
		return Quote(t.String())
	case encoding.TextMarshaler:
		text, err := t.MarshalText()
		if err != nil {
			panic(fmt.Sprintf("form: %T does not marshal: %v", t, err))
		}
		return Quote(string(text))
	}
	switch {
	case v.Kind() == reflect.String:
		return Quote(v.String())
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.Kind() == reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = write(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	panic(fmt.Sprintf("form: cannot write %s as TOML", v.Type()))
}

// Quote writes s as a TOML basic string. Bytes that are not UTF-8, which TOML
// cannot hold, become U+FFFD.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
