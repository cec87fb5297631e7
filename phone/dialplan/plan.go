package dialplan

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"tincan/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DefaultFeatures are the feature codes that work without a route, as in FreePBX.
func DefaultFeatures() map[string]string {
	return map[string]string{"*43": "app:echo"}
}

// Config is what a Plan needs.
type Config struct {
	// Store keeps the routes.
	Store *store.Store
	// Extension tells whether a number is an extension's.
	Extension func(number string) bool
	// Features are destinations of feature codes; nil: DefaultFeatures.
	Features map[string]string
}

// Plan is the dialplan. Safe for any goroutine.
type Plan struct {
	config   Config
	features map[string]Destination
	now      atomic.Pointer[table]
}

// Open migrates the table of routes and reads it.
func Open(ctx context.Context, c Config) (*Plan, error) {
	if c.Features == nil {
		c.Features = DefaultFeatures()
	}
	p := &Plan{config: c, features: map[string]Destination{}}
	for code, text := range c.Features {
		d, err := ParseDestination(text)
		if err != nil {
			return nil, fmt.Errorf("feature code %s: %w", code, err)
		}
		p.features[code] = d
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := c.Store.Migrate(ctx, "dialplan", sub); err != nil {
		return nil, err
	}
	return p, p.Reload(ctx)
}

// Reload reads the routes again. Find goes on with what was until it returns.
func (p *Plan) Reload(ctx context.Context) error {
	var routes []Route
	var publics []Public
	err := p.config.Store.View(ctx, func(tx *store.Tx) (err error) {
		if routes, err = (Routes{}).Read(tx); err != nil {
			return err
		}
		publics, err = Publics{}.Read(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("dialplan: %w", err)
	}
	t, err := compile(routes)
	if err != nil {
		return fmt.Errorf("dialplan: %w", err)
	}
	t.public = map[string]Destination{}
	for _, p := range publics {
		if t.public[p.Name], err = ParseDestination(p.To); err != nil {
			return fmt.Errorf("dialplan: public %s: %w", p.Name, err)
		}
	}
	p.now.Store(t)
	return nil
}

// Find gives the destination of number dialled by from ("extension:101",
// "trunk:load"): that of the routes of exactly this from, else, for an extension,
// of the routes without from, else an extension's number or a feature code. Within
// each the most specific pattern wins. A number longer than 64 signs has none.
func (p *Plan) Find(from, number string) (Destination, bool) {
	if number == "" || len(number) > maxNumber {
		return Destination{}, false
	}
	t := p.now.Load()
	if d, ok := t.from[from].find(number); ok {
		return d, true
	}
	if !strings.HasPrefix(from, "extension:") {
		return Destination{}, false
	}
	if d, ok := t.from[""].find(number); ok {
		return d, true
	}
	if p.config.Extension != nil && p.config.Extension(number) {
		return Destination{Kind: "extension", Name: number}, true
	}
	d, ok := p.features[number]
	return d, ok
}

// Routes are those in force, in the order of Routes.Compare.
func (p *Plan) Routes() []Route { return slices.Clone(p.now.Load().routes) }

// Features are the feature codes and where they lead.
func (p *Plan) Features() map[string]Destination { return maps.Clone(p.features) }

// table is the routes, compiled. It never changes.
type table struct {
	routes []Route
	from   map[string]*list
	public map[string]Destination
}

// list is the routes of one from. A nil list has none.
type list struct {
	exact    map[string]*template // a pattern that is one number
	patterns []rule               // the others, the most specific first
}

type rule struct {
	pattern *pattern
	to      *template
}

func compile(routes []Route) (*table, error) {
	t := &table{routes: routes, from: map[string]*list{}}
	for _, r := range routes {
		p, err := parsePattern(r.Number)
		if err != nil {
			return nil, err
		}
		to, err := parseTemplate(r.To)
		if err != nil {
			return nil, err
		}
		l := t.from[r.From]
		if l == nil {
			l = &list{exact: map[string]*template{}}
			t.from[r.From] = l
		}
		if number, ok := p.literal(); ok {
			l.exact[number] = to
			continue
		}
		l.patterns = append(l.patterns, rule{p, to})
	}
	for _, l := range t.from {
		slices.SortFunc(l.patterns, func(a, b rule) int { return a.pattern.compare(b.pattern) })
	}
	return t, nil
}

func (l *list) find(number string) (Destination, bool) {
	if l == nil {
		return Destination{}, false
	}
	to := l.exact[number] // one number is more specific than any pattern
	for i := 0; to == nil && i < len(l.patterns); i++ {
		if l.patterns[i].pattern.match(number) {
			to = l.patterns[i].to
		}
	}
	if to == nil {
		return Destination{}, false
	}
	d, err := ParseDestination(to.fill(number)) // fails when a gap came out empty
	return d, err == nil
}
