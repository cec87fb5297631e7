package directory

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"tincan/phone/directory/key"
)

// The protocols of trunks and devices.
const (
	ProtocolSIP  = "sip"
	ProtocolIAX2 = "iax2"
)

// TransportIAX2 is the Transport of a device that registered by IAX2: its Contact
// is "iax2:NUMBER@ADDRESS:PORT", and nothing of SIP is sent there.
const TransportIAX2 = "iax2"

func protocols() []string { return []string{ProtocolSIP, ProtocolIAX2} }

// IAX2 tells whether the trunk speaks IAX2; else it speaks SIP.
func (t *Trunk) IAX2() bool { return t.Protocol == ProtocolIAX2 }

// IAX2 tells whether the device registered by IAX2.
func (b *Binding) IAX2() bool { return b.Transport == TransportIAX2 }

// SIP gives the devices of an extension that registered by SIP, as For does.
func (b *Bindings) SIP(extension string) []Binding {
	return only(b.For(extension), func(x *Binding) bool { return !x.IAX2() })
}

// IAX2 gives the devices of an extension that registered by IAX2, as For does.
func (b *Bindings) IAX2(extension string) []Binding {
	return only(b.For(extension), (*Binding).IAX2)
}

// only gives what is wanted of a list that others read; mostly that is all of it.
func only(list []Binding, wanted func(*Binding) bool) []Binding {
	n := 0
	for i := range list {
		if wanted(&list[i]) {
			n++
		}
	}
	switch n {
	case len(list):
		return list
	case 0:
		return nil
	}
	some := make([]Binding, 0, n)
	for i := range list {
		if wanted(&list[i]) {
			some = append(some, list[i])
		}
	}
	return some
}

// IAX2TrunkFor finds the IAX2 trunk whose source src is, as TrunkFor does for SIP.
func (s *Snapshot) IAX2TrunkFor(src netip.AddrPort) (*Trunk, bool) { return s.iax2.find(src) }

// IAX2TrunkByUser finds the IAX2 trunk that proves itself here as user.
func (s *Snapshot) IAX2TrunkByUser(user string) (*Trunk, bool) {
	t, ok := s.iax2Users[user]
	return t, ok
}

// sources finds trunks by where their packets come from.
type sources struct {
	ports    map[netip.AddrPort]*Trunk
	hosts    map[netip.Addr]*Trunk
	networks map[netip.Prefix]*Trunk
	bits     []int // lengths of networks, longest first
}

// newSources indexes the trunks that are wanted; names gives the addresses of
// hosts, as far as known.
func newSources(trunks []*Trunk, names map[string][]netip.Addr, wanted func(*Trunk) bool) *sources {
	s := &sources{ports: map[netip.AddrPort]*Trunk{}, hosts: map[netip.Addr]*Trunk{}, networks: map[netip.Prefix]*Trunk{}}
	trunks = slices.DeleteFunc(slices.Clone(trunks), func(t *Trunk) bool { return !wanted(t) })
	for _, t := range trunks {
		for _, m := range t.Match {
			s.add(t, m)
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

// find finds host:port before host before the longest network.
func (s *sources) find(src netip.AddrPort) (*Trunk, bool) {
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

func (s *sources) add(t *Trunk, m Match) {
	switch {
	case m.Host != "":
	case m.Prefix.IsSingleIP():
		s.address(t, m.Prefix.Addr(), m.Port)
	default:
		s.networks[m.Prefix] = t
	}
}

func (s *sources) address(t *Trunk, a netip.Addr, port uint16) {
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

func (s *sources) lengths() {
	seen := map[int]bool{}
	for p := range s.networks {
		seen[p.Bits()] = true
	}
	s.bits = slices.SortedFunc(maps.Keys(seen), func(a, b int) int { return b - a })
}

// maxKey bounds a public key in PEM: one of 1024 bits has under 300 bytes.
const maxKey = 2048

// protocol checks what one of the protocols has and the other has not. It looks at
// the form without its template, of which SIP's defaults are no mistake.
func (p *problems) protocol(f TrunkForm) {
	p.word("protocol", f.Protocol, protocols())
	if f.Protocol == ProtocolIAX2 {
		p.iax2(f)
		return
	}
	for _, field := range []struct {
		name string
		set  bool
	}{{"key", f.Key != ""}, {"trunking", f.Trunking != nil}, {"transfer", f.Transfer != nil}} {
		if field.set {
			p.add(field.name, "is of IAX2 alone", `leave it out, or write protocol = "iax2"`)
		}
	}
}

func (p *problems) iax2(f TrunkForm) {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"template", f.Template != ""},
		{"proxy", f.Proxy != ""},
		{"domain", f.Domain != ""},
		{"transport", f.Transport != ""},
		{"auth_username", f.AuthUsername != ""},
		{"caller_id", f.CallerID != ""},
		{"number_from", f.NumberFrom != ""},
		{"uri", f.URI != ""},
		{"ice", f.ICE != ""},
		{"offer", f.Offer != ""},
	} {
		if field.set {
			p.add(field.name, "is of SIP alone", `leave it out: the trunk has protocol = "iax2"`)
		}
	}
	p.key(f)
}

// key checks the other side's public key, and what is needed beside it.
func (p *problems) key(f TrunkForm) {
	if f.Key == "" {
		return
	}
	if len(f.Key) > maxKey {
		p.add("key", fmt.Sprintf("has more than %d bytes", maxKey), "give one public key alone")
		return
	}
	if _, err := key.Parse([]byte(f.Key)); err != nil {
		p.add("key", "is "+err.Error(), `give the other side's public half in PEM, between ''' and '''`)
	}
	if f.Username == "" {
		p.add("key", "is of no account", "write its username too")
	}
	if f.Secret == "" && (f.Encryption == EncryptionRequired || f.Encryption == EncryptionWanted) {
		p.add("encryption", fmt.Sprintf("%q needs a secret beside the key: the key of a call is made of it", f.Encryption), "write a secret too, the same on both sides")
	}
}
