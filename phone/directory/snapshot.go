package directory

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Snapshot is the directory at one moment. It never changes: safe for any
// goroutine.
type Snapshot struct {
	extensions map[string]*Extension
	sorted     []*Extension
	sha256     int                 // of those, with Digest sha256
	accounts   map[string]*Account // by user
	trunks     map[string]*Trunk
	tokens     map[string]*Trunk
	ports      map[netip.AddrPort]*Trunk
	hosts      map[netip.Addr]*Trunk
	networks   map[netip.Prefix]*Trunk
	bits       []int // lengths of networks, longest first
}

// Extension finds an extension by its number.
func (s *Snapshot) Extension(number string) (*Extension, bool) {
	e, ok := s.extensions[number]
	return e, ok
}

// Account finds who proves itself by digest as user.
func (s *Snapshot) Account(user string) (*Account, bool) {
	a, ok := s.accounts[user]
	return a, ok
}

// Registers reports whether bindings under key are somebody's: an extension's, or
// a trunk's that registers here.
func (s *Snapshot) Registers(key string) bool {
	if name, ok := strings.CutPrefix(key, trunkRef("")); ok {
		t := s.trunks[name]
		return t != nil && t.Accept == "register"
	}
	return s.extensions[key] != nil
}

// TrunkByToken finds the trunk that was given a Contact of ours with this user.
func (s *Snapshot) TrunkByToken(token string) (*Trunk, bool) {
	t, ok := s.tokens[token]
	return t, ok
}

// Extensions are all, by number. Do not change the list.
func (s *Snapshot) Extensions() []*Extension { return s.sorted }

// SHA256 tells how many extensions of how many are offered SHA-256.
func (s *Snapshot) SHA256() (n, of int) { return s.sha256, len(s.sorted) }

// Trunk finds a trunk by its name.
func (s *Snapshot) Trunk(name string) (*Trunk, bool) {
	t, ok := s.trunks[name]
	return t, ok
}

// Trunks are all, by name.
func (s *Snapshot) Trunks() []*Trunk {
	return slices.SortedFunc(maps.Values(s.trunks), func(a, b *Trunk) int { return strings.Compare(a.Name, b.Name) })
}

// TrunkFor finds the trunk whose source src is: host:port before host before the
// longest network.
func (s *Snapshot) TrunkFor(src netip.AddrPort) (*Trunk, bool) {
	addr := src.Addr().Unmap().WithZone("")
	if t, ok := s.ports[netip.AddrPortFrom(addr, src.Port())]; ok {
		return t, true
	}
	if t, ok := s.hosts[addr]; ok {
		return t, true
	}
	for _, bits := range s.bits {
		p, err := addr.Prefix(bits)
		if err != nil {
			continue // longer than an IPv4 address
		}
		if t, ok := s.networks[p]; ok {
			return t, true
		}
	}
	return nil, false
}

// newSnapshot indexes; names gives the addresses of hosts, as far as known.
func newSnapshot(extensions []*Extension, trunks []*Trunk, names map[string][]netip.Addr, realm string) *Snapshot {
	s := &Snapshot{
		extensions: make(map[string]*Extension, len(extensions)),
		sorted:     extensions,
		accounts:   make(map[string]*Account, len(extensions)),
		trunks:     make(map[string]*Trunk, len(trunks)),
		tokens:     map[string]*Trunk{},
		ports:      map[netip.AddrPort]*Trunk{},
		hosts:      map[netip.Addr]*Trunk{},
		networks:   map[netip.Prefix]*Trunk{},
	}
	for _, e := range extensions {
		s.extensions[e.Number] = e
		if e.Digest == "sha256" {
			s.sha256++
		}
		s.accounts[e.Number] = e.account()
	}
	for _, t := range trunks {
		s.trunks[t.Name] = t
		if a := t.account(realm); a != nil {
			s.accounts[a.User] = a
		}
		if t.Register && t.Token != "" {
			s.tokens[t.Token] = t
		}
		for _, m := range t.Match {
			s.source(t, m)
		}
	}
	// After the literals: a name that resolves to another trunk's literal address
	// does not take it.
	for _, t := range trunks {
		for _, m := range t.Match {
			for _, a := range names[m.Host] {
				s.address(t, a.Unmap(), m.Port)
			}
		}
	}
	s.lengths()
	return s
}

func (s *Snapshot) source(t *Trunk, m Match) {
	switch {
	case m.Host != "":
	case m.Prefix.IsSingleIP():
		s.address(t, m.Prefix.Addr(), m.Port)
	default:
		s.networks[m.Prefix] = t
	}
}

func (s *Snapshot) address(t *Trunk, a netip.Addr, port uint16) {
	if port == 0 {
		if s.hosts[a] == nil {
			s.hosts[a] = t
		}
		return
	}
	if ap := netip.AddrPortFrom(a, port); s.ports[ap] == nil {
		s.ports[ap] = t
	}
}

func (s *Snapshot) lengths() {
	seen := map[int]bool{}
	for p := range s.networks {
		seen[p.Bits()] = true
	}
	s.bits = slices.SortedFunc(maps.Keys(seen), func(a, b int) int { return b - a })
}
