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
	sip, iax2  *sources
	iax2Users  map[string]*Trunk
}

// Extension finds an extension by its number.
func (s *Snapshot) Extension(number string) (*Extension, bool) {
	e, ok := s.extensions[number]
	return e, ok
}

// Account finds who proves itself by SIP's digest as user.
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

// TrunkByToken finds the SIP trunk that was given a Contact of ours with this user.
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

// Trunks are all, of both protocols, by name.
func (s *Snapshot) Trunks() []*Trunk {
	return slices.SortedFunc(maps.Values(s.trunks), func(a, b *Trunk) int { return strings.Compare(a.Name, b.Name) })
}

// TrunkFor finds the SIP trunk whose source src is: host:port before host before
// the longest network.
func (s *Snapshot) TrunkFor(src netip.AddrPort) (*Trunk, bool) {
	return s.sip.find(src)
}

// newSnapshot indexes; names gives the addresses of hosts, as far as known.
func newSnapshot(extensions []*Extension, trunks []*Trunk, names map[string][]netip.Addr, realm string) *Snapshot {
	s := &Snapshot{
		extensions: make(map[string]*Extension, len(extensions)),
		sorted:     extensions,
		accounts:   make(map[string]*Account, len(extensions)),
		trunks:     make(map[string]*Trunk, len(trunks)),
		tokens:     map[string]*Trunk{},
		iax2Users:  map[string]*Trunk{},
		sip:        newSources(trunks, names, func(t *Trunk) bool { return !t.IAX2() }),
		iax2:       newSources(trunks, names, (*Trunk).IAX2),
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
		if t.IAX2() {
			if t.Accept != "" {
				s.iax2Users[t.Username] = t
			}
			continue
		}
		if a := t.account(realm); a != nil {
			s.accounts[a.User] = a
		}
		if t.Register && t.Token != "" {
			s.tokens[t.Token] = t
		}
	}
	return s
}
