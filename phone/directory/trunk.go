package directory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/store"
)

// maxMatch bounds a trunk's sources: carriers name some dozens of networks.
const maxMatch = 128

// Trunk is a link to another phone system. It is shared by all readers of a
// Snapshot: do not change it.
type Trunk struct {
	Name      string
	Address   string // host or host:port, where its calls go
	Transport string // "udp", "tcp" or "tls"
	Match     []Match
	Codecs    []string // allowed, in order of preference; none: all
}

// TrunkForm is one [[trunk]] of space.toml.
type TrunkForm struct {
	Name    string `toml:"name"`
	Address string `toml:"address"`
	// Transport is "udp" (also when empty), "tcp" or "tls".
	Transport string   `toml:"transport,omitempty"`
	Match     []string `toml:"match,omitempty"`
	Codecs    []string `toml:"codecs,omitempty"`
}

// Trunks is the table of trunks as package space applies it.
type Trunks struct{}

// Kind is the name of the objects in space.toml and in destinations.
func (Trunks) Kind() string { return "trunk" }

// Key tells trunks apart.
func (Trunks) Key(t TrunkForm) string { return t.Name }

// Compare is the order in which trunks are listed.
func (Trunks) Compare(a, b TrunkForm) int { return strings.Compare(a.Name, b.Name) }

// Normal writes the same thing in one way.
func (Trunks) Normal(t *TrunkForm) {
	if t.Transport == "udp" {
		t.Transport = ""
	}
}

// Check finds what is wrong with each, and a source that two trunks claim.
func (Trunks) Check(all []TrunkForm) []form.Problem {
	var c problems
	claimed := map[string]string{}
	for i, t := range all {
		c.index = i
		if !isTrunkName(t.Name) {
			c.add("name", fmt.Sprintf("%q is not a name for a trunk", t.Name), fmt.Sprintf("write up to %d letters, digits, - or _ instead", maxName))
		}
		if _, err := parseTarget(t.Address); err != nil {
			c.add("address", fmt.Sprintf("%q %v", t.Address, err), `write host or host:port such as "198.51.100.7:5060" instead`)
		}
		if known := []string{"udp", "tcp", "tls"}; t.Transport != "" && !slices.Contains(known, t.Transport) {
			c.add("transport", fmt.Sprintf("%q is not known", t.Transport), form.Suggest(t.Transport, known))
		}
		c.codecs(t.Codecs)
		c.match(t, claimed)
	}
	return c.found
}

func (p *problems) match(t TrunkForm, claimed map[string]string) {
	if len(t.Match) > maxMatch {
		p.add("match", fmt.Sprintf("has %d sources, more than %d", len(t.Match), maxMatch), "write networks instead")
		return
	}
	for i, text := range t.Match {
		field := fmt.Sprintf("match[%d]", i)
		m, err := ParseMatch(text)
		if err != nil {
			p.add(field, err.Error(), `write host, host:port or a network such as "203.0.113.0/24" instead`)
			continue
		}
		if by, taken := claimed[m.claim()]; taken {
			p.add(field, fmt.Sprintf("%q is trunk %q's already", text, by), "remove it from one of them, or add a port")
			continue
		}
		claimed[m.claim()] = t.Name
	}
}

func isTrunkName(s string) bool {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, odd)
}

// Read reads all, sorted by name.
func (t Trunks) Read(tx *store.Tx) ([]TrunkForm, error) {
	rows, err := tx.Query("SELECT name, address, transport, sources, codecs FROM directory_trunk")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []TrunkForm
	for rows.Next() {
		var f TrunkForm
		var sources, codecs string
		if err := rows.Scan(&f.Name, &f.Address, &f.Transport, &sources, &codecs); err != nil {
			return nil, err
		}
		f.Match, f.Codecs = words(sources), words(codecs)
		all = append(all, f)
	}
	slices.SortFunc(all, t.Compare)
	return all, rows.Err()
}

// Write puts and removes.
func (Trunks) Write(tx *store.Tx, put []TrunkForm, remove []string) error {
	for _, name := range remove {
		if _, err := tx.Exec("DELETE FROM directory_trunk WHERE name = ?", name); err != nil {
			return err
		}
	}
	for _, t := range put {
		_, err := tx.Exec(`INSERT INTO directory_trunk (name, address, transport, sources, codecs) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET address = excluded.address, transport = excluded.transport,
			sources = excluded.sources, codecs = excluded.codecs`,
			t.Name, t.Address, t.Transport, strings.Join(t.Match, " "), strings.Join(t.Codecs, " "))
		if err != nil {
			return fmt.Errorf("trunk %s: %w", t.Name, err)
		}
	}
	return nil
}

// trunk makes the trunk of a checked form.
func (f *TrunkForm) trunk() (*Trunk, error) {
	t := &Trunk{Name: f.Name, Address: f.Address, Transport: f.Transport, Codecs: f.Codecs}
	if t.Transport == "" {
		t.Transport = "udp"
	}
	for _, text := range f.Match {
		m, err := ParseMatch(text)
		if err != nil {
			return nil, fmt.Errorf("trunk %s: %w", f.Name, err)
		}
		t.Match = append(t.Match, m)
	}
	return t, nil
}

// Match is a source whose calls are a trunk's.
type Match struct {
	Prefix netip.Prefix // of a literal address (a whole one) or a network
	Host   string       // of a name, lower case; Prefix is then not valid
	Port   uint16       // 0: any
}

// ParseMatch reads host, host:port or CIDR; an IPv6 address with a port is
// written [address]:port.
func ParseMatch(text string) (Match, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return Match{}, fmt.Errorf("%q is not a network", text)
		}
		if a := p.Addr(); a.Is4In6() {
			return Match{}, fmt.Errorf("%q is an IPv4 network in IPv6's clothes", text)
		}
		return Match{Prefix: p.Masked()}, nil
	}
	m, err := parseTarget(text)
	if err != nil {
		return Match{}, fmt.Errorf("%q %w", text, err)
	}
	return m, nil
}

// String is what ParseMatch reads.
func (m Match) String() string {
	switch {
	case m.Host != "" && m.Port != 0:
		return fmt.Sprintf("%s:%d", m.Host, m.Port)
	case m.Host != "":
		return m.Host
	case m.Port != 0:
		return netip.AddrPortFrom(m.Prefix.Addr(), m.Port).String()
	case m.Prefix.IsSingleIP():
		return m.Prefix.Addr().String()
	}
	return m.Prefix.String()
}

// claim is the same for two spellings of one source.
func (m Match) claim() string { return m.String() }
