package form

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Decode reads the whole document into the struct that into points to. What is
// not written keeps the value it had.
func (d *Document) Decode(into any) Faults {
	return d.DecodeTable("", d.Root, into)
}

// DecodeTable reads the table that stands at path into the struct that into
// points to.
func (d *Document) DecodeTable(path string, table map[string]any, into any) Faults {
	r := reader{doc: d}
	r.table(path, table, reflect.ValueOf(into).Elem())
	return r.faults
}

type reader struct {
	doc    *Document
	faults Faults
}

func (r *reader) fault(path, what, fix string) {
	r.faults = append(r.faults, r.doc.Fault(path, what, fix))
}

func (r *reader) table(path string, table map[string]any, into reflect.Value) {
	known := fields(into.Type())
	for _, name := range slices.Sorted(maps.Keys(table)) {
		at := join(path, name)
		i, ok := known[name]
		if !ok {
			r.fault(at, "is not known", Suggest(name, slices.Sorted(maps.Keys(known))))
			continue
		}
		r.value(at, table[name], into.Field(i))
	}
}

// fields are a struct's fields by their name in TOML.
func fields(t reflect.Type) map[string]int {
	known := map[string]int{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("toml"), ",")
		if name != "" && name != "-" {
			known[name] = i
		}
	}
	return known
}

func (r *reader) value(path string, v any, into reflect.Value) {
	if into.Kind() == reflect.Pointer { // nil is "not said", which false and 0 are not
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	if into.Type() == reflect.TypeFor[netip.Prefix]() {
		r.network(path, v, into)
		return
	}
	if text, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		r.text(path, v, text)
		return
	}
	if into.Type() == reflect.TypeFor[time.Duration]() {
		r.duration(path, v, into)
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		if table, ok := v.(map[string]any); ok {
			r.table(path, table, into)
			return
		}
	case reflect.Slice:
		if list, ok := v.([]any); ok {
			r.list(path, list, into)
			return
		}
	case reflect.Float64:
		if whole, ok := v.(int64); ok {
			v = float64(whole)
		}
		fallthrough
	case reflect.String, reflect.Bool:
		if got := reflect.ValueOf(v); got.Kind() == into.Kind() {
			into.Set(got.Convert(into.Type()))
			return
		}
	default:
		if whole, ok := v.(int64); ok {
			r.integer(path, whole, into)
			return
		}
	}
	r.fault(path, "is "+kind(v)+", not "+wanted(into), "write "+example(path, into)+" instead")
}

func (r *reader) text(path string, v any, into encoding.TextUnmarshaler) {
	s, ok := v.(string)
	if !ok {
		r.fault(path, "is "+kind(v)+", not a string", "write it in quotes instead")
		return
	}
	if err := into.UnmarshalText([]byte(s)); err != nil {
		r.fault(path, err.Error(), hint(into))
	}
}

// hint lets a type say what its texts look like.
func hint(v any) string {
	if h, ok := v.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}

func (r *reader) duration(path string, v any, into reflect.Value) {
	const fix = `write a time such as "30s", "5m" or "1h" instead`
	s, ok := v.(string)
	if !ok {
		r.fault(path, "is "+kind(v)+", not a time in quotes", fix)
		return
	}
	t, err := time.ParseDuration(s)
	if err != nil || t < 0 {
		r.fault(path, fmt.Sprintf("%q is not a time", s), fix)
		return
	}
	into.SetInt(int64(t))
}

func (r *reader) network(path string, v any, into reflect.Value) {
	const fix = `write a network such as "10.0.0.0/8" or "fd00::/8" instead`
	s, ok := v.(string)
	if !ok {
		r.fault(path, "is "+kind(v)+", not a network in quotes", fix)
		return
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		r.fault(path, fmt.Sprintf("%q is not a network", s), fix)
		return
	}
	into.Set(reflect.ValueOf(p.Masked()))
}

func (r *reader) list(path string, list []any, into reflect.Value) {
	out := reflect.MakeSlice(into.Type(), len(list), len(list))
	for i, v := range list {
		r.value(fmt.Sprintf("%s[%d]", path, i), v, out.Index(i))
	}
	into.Set(out)
}

func (r *reader) integer(path string, whole int64, into reflect.Value) {
	switch {
	case into.CanInt() && !into.OverflowInt(whole):
		into.SetInt(whole)
	case into.CanUint() && whole >= 0 && !into.OverflowUint(uint64(whole)):
		into.SetUint(uint64(whole))
	default:
		low, high := limits(into)
		r.fault(path, fmt.Sprintf("%d is out of range", whole), fmt.Sprintf("write a number from %d to %d instead", low, high))
	}
}

func limits(v reflect.Value) (low int64, high uint64) {
	bits := v.Type().Bits()
	if v.CanUint() {
		return 0, math.MaxUint64 >> (64 - bits)
	}
	return math.MinInt64 >> (64 - bits), math.MaxInt64 >> (64 - bits)
}
