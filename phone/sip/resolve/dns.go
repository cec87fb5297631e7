package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Bounds of the cache and of asking.
const (
	askTime     = 2 * time.Second  // for one name server's answer
	shortestTTL = 5 * time.Second  // a name is not asked for each packet, whatever its owner says
	longestTTL  = time.Hour        // nor believed for ever
	systemTTL   = time.Minute      // of the system's answers, which come without one
	negativeTTL = time.Minute      // of "there is none"
	failureTTL  = 30 * time.Second // after which a name server that failed is asked again
	staleTime   = 24 * time.Hour   // how long an old answer serves while name servers fail
	maxCached   = 4096
)

// ErrNoRecords is a name that has no address.
var ErrNoRecords = errors.New("no such name, or it has no address")

// question is one entry of the cache. kind 0 is the system's addresses.
type question struct {
	name string
	kind uint16
}

type entry struct {
	records []dns.RR
	addrs   []netip.Addr
	fresh   time.Time // until then
	until   time.Time // beyond fresh, while name servers fail
	err     error
}

// cache keeps answers by their TTL.
type cache struct {
	mu      sync.Mutex // guards entries
	entries map[question]*entry
}

func (c *cache) get(q question, now time.Time) (e *entry, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e = c.entries[q]
	return e, e != nil && now.Before(e.fresh)
}

func (c *cache) put(q question, e *entry, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxCached {
		for k, old := range c.entries {
			if now.After(old.fresh) {
				delete(c.entries, k)
			}
		}
		if len(c.entries) >= maxCached {
			clear(c.entries)
		}
	}
	c.entries[q] = e
}

// cached gives an answer from the cache or by look. What was known before serves
// while looking fails.
func (r *Resolver) cached(q question, look func() (*entry, error)) (*entry, error) {
	now := time.Now()
	old, fresh := r.cache.get(q, now)
	if fresh {
		return old, old.err
	}
	e, err := look()
	switch {
	case err == nil:
	case old != nil && old.err == nil && now.Before(old.until):
		e = &entry{records: old.records, addrs: old.addrs, fresh: now.Add(failureTTL), until: old.until}
	default:
		e = &entry{fresh: now.Add(failureTTL), err: err}
	}
	r.cache.put(q, e, now)
	return e, e.err
}

// named gives the addresses of a host.
func (r *Resolver) named(ctx context.Context, host string) ([]netip.Addr, error) {
	if len(r.cfg.Servers) > 0 {
		return r.hosts(ctx, host)
	}
	e, err := r.cached(question{host, 0}, func() (*entry, error) {
		addrs, err := r.hosts(ctx, host)
		now := time.Now()
		return &entry{addrs: addrs, fresh: now.Add(systemTTL), until: now.Add(staleTime)}, err
	})
	if err != nil {
		return nil, err
	}
	return e.addrs, nil
}

// ask46 asks for both kinds of addresses.
func (r *Resolver) ask46(ctx context.Context, host string) (addrs []netip.Addr, err error) {
	four, err4 := r.ask(ctx, host, dns.TypeA)
	six, err6 := r.ask(ctx, host, dns.TypeAAAA)
	for _, rr := range append(four[:len(four):len(four)], six...) {
		switch rr := rr.(type) {
		case *dns.A:
			if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
				addrs = append(addrs, a)
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(rr.AAAA); ok {
				addrs = append(addrs, a)
			}
		}
	}
	if len(addrs) == 0 {
		return nil, errors.Join(err4, err6, ErrNoRecords)
	}
	return addrs, nil
}

// ask gives the records of a name; none is no error.
func (r *Resolver) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	e, err := r.cached(question{name, kind}, func() (*entry, error) {
		servers, err := r.servers()
		if err != nil {
			return nil, err
		}
		m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
		var last error
		for _, server := range servers {
			answer, err := exchange(ctx, m, server)
			if err == nil {
				return kept(answer, kind, time.Now()), nil
			}
			last = err
		}
		return nil, last
	})
	if err != nil {
		return nil, err
	}
	return e.records, nil
}

// exchange asks one name server, over TCP when the answer does not fit.
func exchange(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error) {
	c := dns.Client{Timeout: askTime}
	answer, _, err := c.ExchangeContext(ctx, m, server)
	if err == nil && answer.Truncated {
		c.Net = "tcp"
		answer, _, err = c.ExchangeContext(ctx, m, server)
	}
	if err != nil {
		return nil, fmt.Errorf("name server %s: %w", server, err)
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("name server %s: %s", server, dns.RcodeToString[answer.Rcode])
	}
	return answer, nil
}

// kept makes a cache's entry of an answer: the records of the kind that was asked
// for, as long as the shortest lived of them.
func kept(answer *dns.Msg, kind uint16, now time.Time) *entry {
	e := &entry{}
	ttl := longestTTL
	for _, rr := range answer.Answer {
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		if rr.Header().Rrtype == kind {
			e.records = append(e.records, rr)
		}
	}
	if len(e.records) == 0 {
		ttl = negativeTTL
	}
	e.fresh = now.Add(max(ttl, shortestTTL))
	e.until = now.Add(staleTime)
	return e
}

// resolvConf is where the system names its servers.
const resolvConf = "/etc/resolv.conf"

func (r *Resolver) servers() ([]string, error) {
	if len(r.cfg.Servers) > 0 {
		return r.cfg.Servers, nil
	}
	c, err := dns.ClientConfigFromFile(resolvConf) // small, and changes as networks do
	if err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	var out []string
	for _, s := range c.Servers {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.AddrPortFrom(a, 53).String())
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s names no name server", resolvConf)
	}
	return out, nil
}
