package directory

import (
	_ "embed" // templates.toml
	"reflect"
	"slices"

	"tincan/config/form"
)

//go:embed templates.toml
var templatesFile []byte

// templates reads templates.toml, which is part of the program: a mistake in it is
// the program's, and a test's to find.
func templates() []TrunkForm {
	doc, err := form.Parse("templates.toml", templatesFile)
	if err != nil {
		panic(err)
	}
	var file struct {
		Template []TrunkForm `toml:"template"`
	}
	if faults := doc.Decode(&file); faults != nil {
		panic(faults)
	}
	return file.Template
}

func templateNames() (names []string) {
	for _, t := range templates() {
		names = append(names, t.Name)
	}
	return names
}

// Whole gives the form with what its template says where it says nothing.
func (f *TrunkForm) Whole() *TrunkForm {
	w := *f
	if f.Template == "" {
		return &w
	}
	all := templates()
	i := slices.IndexFunc(all, func(t TrunkForm) bool { return t.Name == f.Template })
	if i < 0 {
		return &w
	}
	into, from := reflect.ValueOf(&w).Elem(), reflect.ValueOf(all[i])
	for n := range into.NumField() {
		if into.Field(n).IsZero() {
			into.Field(n).Set(from.Field(n))
		}
	}
	return &w
}
