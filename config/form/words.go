package form

import (
	"fmt"
	"reflect"
	"strings"
)

// kind is what a TOML value is, in words.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a point"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date"
}

// wanted is what a field takes, in words.
func wanted(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "a table"
	case reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// example is a line that would be right.
func example(path string, v reflect.Value) string {
	name := path[strings.LastIndexByte(path, '.')+1:]
	if i := strings.IndexByte(name, '['); i >= 0 { // an item of a list
		return `"..."`
	}
	switch v.Kind() {
	case reflect.String:
		return name + ` = "..."`
	case reflect.Bool:
		return name + " = true"
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			return "[[" + name + "]] above each"
		}
		return name + ` = ["...", "..."]`
	case reflect.Struct:
		return "[" + name + "] on a line of its own"
	}
	return name + " = 1"
}

// far is the distance from which a word is no likely slip for another.
const far = 3

// Suggest is a fix for a word that is not known: the known word that it was
// likely meant to be, else all of them.
func Suggest(word string, known []string) string {
	if best, ok := Nearest(word, known); ok {
		return fmt.Sprintf("write %q instead", best)
	}
	if len(known) == 0 {
		return "remove it"
	}
	return "write one of " + strings.Join(known, ", ") + " instead, or remove it"
}

// Nearest finds the known word that word was likely meant to be.
func Nearest(word string, known []string) (best string, ok bool) {
	distance := far
	for _, k := range known {
		if len(word) >= len(k)+far || len(k) >= len(word)+far {
			continue
		}
		if n := edits(strings.ToLower(word), k); n < distance && n < len(k) {
			best, distance = k, n
		}
	}
	return best, best != ""
}

// edits is how many letters must be added, removed, changed or swapped with the
// next to make b of a (optimal string alignment distance).
func edits(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
