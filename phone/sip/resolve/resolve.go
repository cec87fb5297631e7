// Package resolve finds where SIP requests for a name go (RFC 3263) and which of
// these places are worth asking at present.
//
//	host, port, transport ─> NAPTR ─> SRV ─> A, AAAA ─> []Target ─> Health.Sort
//	                             cache by TTL │ DNS              ^
//	                                 time-out, 503, OPTIONS ─────┘
//
// There are no goroutines; Resolve waits for DNS, so it is called where waiting
// is allowed.
package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"tincan/phone/sip/transport"
)

// Bounds on what a name's owner can make us try.
const (
	maxRecords = 16 // of one NAPTR or SRV answer that are looked at
	maxTargets = 16 // that come of one name
)

// Query is what a URI or a trunk says of where it is.
type Query struct {
	Host     string             // name or address, an IPv6 one with or without brackets
	Port     uint16             // 0: not said
	Protocol transport.Protocol // "": not said
}

// Target is one place to try.
type Target struct {
	Protocol transport.Protocol
	Addr     netip.AddrPort
	Name     string // the host that was asked for, which TLS verifies (RFC 5922 7.1)
}

func (t Target) String() string { return string(t.Protocol) + " " + t.Addr.String() }

// Config is what a Resolver depends on.
type Config struct {
	// Servers are name servers, ip:port, asked in turn; none: the system's, and its
	// hosts file.
	Servers []string
	// Reaches says whether this host has a route to an address; nil: it has.
	Reaches func(netip.Addr) bool
}

// Resolver looks names up. Safe for any goroutine.
type Resolver struct {
	cfg   Config
	cache cache
	roll  func(n int) int // random in [0, n): SRV weights
	hosts func(context.Context, string) ([]netip.Addr, error)
}

// New makes a Resolver with an empty cache.
func New(cfg Config) *Resolver {
	r := &Resolver{cfg: cfg, roll: rand.IntN}
	r.cache.entries = map[question]*entry{}
	r.hosts = r.ask46
	if len(cfg.Servers) == 0 {
		r.hosts = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return r
}

// ErrNotOffered is a name whose owner says that it has no such service (an SRV
// record with the target ".").
var ErrNotOffered = errors.New("offers no SIP there")

// Resolve gives the targets in the order in which they are to be tried: at least
// one, or an error that names the host.
func (r *Resolver) Resolve(ctx context.Context, q Query) ([]Target, error) {
	q.Host = strings.ToLower(strings.Trim(q.Host, "[]"))
	targets, err := r.resolve(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", q.Host, err)
	}
	if len(targets) > maxTargets {
		targets = targets[:maxTargets]
	}
	return targets, nil
}

func (r *Resolver) resolve(ctx context.Context, q Query) ([]Target, error) {
	if a, err := netip.ParseAddr(q.Host); err == nil {
		return []Target{q.at(a.Unmap())}, nil
	}
	if q.Port == 0 {
		targets, err := r.services(ctx, q)
		if len(targets) > 0 || errors.Is(err, ErrNotOffered) {
			return targets, err
		}
	}
	addrs, err := r.addresses(ctx, q.Host)
	if err != nil {
		return nil, err
	}
	var targets []Target
	for _, a := range addrs {
		targets = append(targets, q.at(a))
	}
	return targets, nil
}

// at gives the target of an address, with the defaults of RFC 3263 4.1 and 4.2.
func (q Query) at(a netip.Addr) Target {
	proto := cmp.Or(q.Protocol, transport.UDP)
	return Target{proto, netip.AddrPortFrom(a, cmp.Or(q.Port, DefaultPort(proto))), q.Host}
}

// DefaultPort is RFC 3261 19.1.2's.
func DefaultPort(p transport.Protocol) uint16 {
	if p == transport.TLS {
		return 5061
	}
	return 5060
}

// labels are the SRV names of the protocols, in the order in which we try them
// where nobody says another (RFC 3263 4.1: it is the client's choice).
var labels = []struct {
	proto   transport.Protocol
	label   string
	service string // of NAPTR
}{
	{transport.UDP, "_sip._udp.", "SIP+D2U"},
	{transport.TCP, "_sip._tcp.", "SIP+D2T"},
	{transport.TLS, "_sips._tcp.", "SIPS+D2T"},
}

// service is an SRV name to look up, for a protocol.
type service struct {
	proto transport.Protocol
	name  string
}

// services follows NAPTR and SRV; without any it gives nothing and no error.
func (r *Resolver) services(ctx context.Context, q Query) (targets []Target, err error) {
	list := r.naptr(ctx, q)
	if list == nil {
		for _, l := range labels {
			if q.Protocol == "" || q.Protocol == l.proto {
				list = append(list, service{l.proto, l.label + q.Host})
			}
		}
	}
	refused := 0
	for _, s := range list {
		found, err := r.srv(ctx, s, q.Host)
		if errors.Is(err, ErrNotOffered) {
			refused++
		}
		targets = append(targets, found...)
	}
	if len(targets) == 0 && refused == len(list) {
		return nil, ErrNotOffered
	}
	return targets, nil
}

// naptr gives the services that the name's owner lists, in its order (RFC 3263
// 4.1). A name server that fails is no reason to go without SRV.
func (r *Resolver) naptr(ctx context.Context, q Query) (list []service) {
	if q.Protocol != "" {
		return nil
	}
	records, _ := r.ask(ctx, q.Host, dns.TypeNAPTR)
	var all []*dns.NAPTR
	for _, rr := range records {
		if n, ok := rr.(*dns.NAPTR); ok && strings.EqualFold(n.Flags, "s") && len(all) < maxRecords {
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	for _, n := range all {
		for _, l := range labels {
			if strings.EqualFold(n.Service, l.service) {
				list = append(list, service{l.proto, strings.TrimSuffix(n.Replacement, ".")})
			}
		}
	}
	return list
}

// srv gives the targets of one SRV name (RFC 3263 4.2, RFC 2782).
func (r *Resolver) srv(ctx context.Context, s service, host string) (targets []Target, err error) {
	records, err := r.ask(ctx, s.name, dns.TypeSRV)
	if err != nil {
		return nil, err
	}
	var all []*dns.SRV
	for _, rr := range records {
		if v, ok := rr.(*dns.SRV); ok && len(all) < maxRecords {
			all = append(all, v)
		}
	}
	if len(all) == 1 && all[0].Target == "." {
		return nil, ErrNotOffered
	}
	for _, v := range r.order(all) {
		if len(targets) >= maxTargets {
			break
		}
		addrs, err := r.addresses(ctx, strings.TrimSuffix(v.Target, "."))
		if err != nil {
			continue
		}
		for _, a := range addrs {
			targets = append(targets, Target{s.proto, netip.AddrPortFrom(a, v.Port), host})
		}
	}
	return targets, nil
}

// order sorts by priority, and those of one priority by chance, as often first
// as their weight says (RFC 2782).
func (r *Resolver) order(all []*dns.SRV) []*dns.SRV {
	// Weight 0 comes first, so that it has a small chance beside others.
	slices.SortStableFunc(all, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	var out []*dns.SRV
	for len(all) > 0 {
		end, sum := 0, 0
		for end < len(all) && all[end].Priority == all[0].Priority {
			sum += int(all[end].Weight)
			end++
		}
		mark, run, pick := r.roll(sum+1), 0, 0
		for i := range end {
			if run += int(all[i].Weight); run >= mark {
				pick = i
				break
			}
		}
		out = append(out, all[pick])
		all = slices.Delete(all, pick, pick+1)
	}
	return out
}

// addresses gives those of a host that can be reached. IPv4 comes first: media
// follow the signalling, and carriers' IPv4 is the half that is tried.
func (r *Resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := r.named(ctx, host)
	if err != nil {
		return nil, err
	}
	out := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if a = a.Unmap(); r.cfg.Reaches == nil || r.cfg.Reaches(a) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has %d addresses, and this host has no route to any", host, len(addrs))
	}
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
	return out, nil
}
