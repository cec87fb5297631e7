package directory

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/store"
)

// columns are the fields of a trunk that have a column; the others are together
// in the column settings, as space.toml writes them, since nothing looks for them
// in SQL.
var columns = []string{"name", "address", "transport", "secret", "match", "codecs"}

// Read reads all, sorted by name, with sealed secrets.
func (t Trunks) Read(tx *store.Tx) ([]TrunkForm, error) {
	all, _, err := t.read(tx)
	return all, err
}

// read gives the Contact tokens too, by name.
func (t Trunks) read(tx *store.Tx) ([]TrunkForm, map[string]string, error) {
	rows, err := tx.Query("SELECT name, address, transport, secret, sources, codecs, settings, token FROM directory_trunk")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []TrunkForm
	tokens := map[string]string{}
	for rows.Next() {
		var f TrunkForm
		var sources, codecs, settings, token string
		if err := rows.Scan(&f.Name, &f.Address, &f.Transport, &f.Secret, &sources, &codecs, &settings, &token); err != nil {
			return nil, nil, err
		}
		if err := f.set(settings); err != nil {
			return nil, nil, err
		}
		f.Match, f.Codecs = words(sources), words(codecs)
		all, tokens[f.Name] = append(all, f), token
	}
	slices.SortFunc(all, t.Compare)
	return all, tokens, rows.Err()
}

// set reads the column settings.
func (f *TrunkForm) set(settings string) error {
	doc, err := form.Parse("trunk "+f.Name, []byte(settings))
	if err != nil {
		return err
	}
	if faults := doc.Decode(f); faults != nil {
		return faults
	}
	return nil
}

// settings writes the column settings.
func (f *TrunkForm) settings() string {
	var b strings.Builder
	for _, l := range form.Lines(f) {
		if !slices.Contains(columns, l.Name) {
			b.WriteString(l.Name + " = " + l.Value + "\n")
		}
	}
	return b.String()
}

// Write puts and removes; secrets are sealed already. The token of a trunk is made
// once: it stays when the trunk is changed, so that a registration that stands is
// still known.
func (Trunks) Write(tx *store.Tx, put []TrunkForm, remove []string) error {
	for _, name := range remove {
		if _, err := tx.Exec("DELETE FROM directory_trunk WHERE name = ?", name); err != nil {
			return err
		}
	}
	for _, t := range put {
		_, err := tx.Exec(`INSERT INTO directory_trunk (name, address, transport, secret, sources, codecs, settings, token)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET address = excluded.address, transport = excluded.transport,
			secret = excluded.secret, sources = excluded.sources, codecs = excluded.codecs, settings = excluded.settings,
			token = CASE WHEN directory_trunk.token = '' THEN excluded.token ELSE directory_trunk.token END`,
			t.Name, t.Address, t.Transport, t.Secret, strings.Join(t.Match, " "), strings.Join(t.Codecs, " "), t.settings(), newToken())
		if err != nil {
			return fmt.Errorf("trunk %s: %w", t.Name, err)
		}
	}
	return nil
}

// newToken makes the user part of a Contact that nobody guesses: 130 bits, in
// letters that no phone system changes on the way.
func newToken() string { return "t" + strings.ToLower(rand.Text()) }
