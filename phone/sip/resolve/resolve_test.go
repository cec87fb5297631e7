package resolve

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"tincan/phone/sip/resolve/dnstest"
	"tincan/phone/sip/transport"
)

func texts(targets []Target) (out []string) {
	for _, t := range targets {
		out = append(out, t.String())
	}
	return out
}

// zone is a carrier as they come: NAPTR, SRV with priorities, both families.
var zone = []string{
	`carrier.test. 60 IN NAPTR 20 1 "s" "SIP+D2U" "" _sip._udp.carrier.test.`,
	`carrier.test. 60 IN NAPTR 10 2 "s" "SIP+D2T" "" _sip._tcp.carrier.test.`,
	`carrier.test. 60 IN NAPTR 10 1 "S" "sips+d2t" "" _sips._tcp.carrier.test.`,
	`carrier.test. 60 IN NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:x@y!" .`,
	`carrier.test. 60 IN NAPTR 1 1 "s" "SIP+D2W" "" _sip._ws.carrier.test.`,
	`_sip._udp.carrier.test. 60 IN SRV 20 0 5066 b.test.`,
	`_sip._udp.carrier.test. 60 IN SRV 10 0 5065 a.test.`,
	`_sip._tcp.carrier.test. 60 IN SRV 1 0 5060 a.test.`,
	`_sips._tcp.carrier.test. 60 IN SRV 1 0 5061 a.test.`,
	`carrier.test. 60 IN A 192.0.2.9`,
	`a.test. 60 IN AAAA 2001:db8::1`,
	`a.test. 60 IN A 192.0.2.1`,
	`b.test. 60 IN A 192.0.2.2`,
	`plain.test. 60 IN A 192.0.2.3`,
	`_sip._udp.none.test. 60 IN SRV 0 0 0 .`,
	`none.test. 60 IN A 192.0.2.4`,
	`_sip._tcp.onlytcp.test. 60 IN SRV 0 0 5070 b.test.`,
}

func TestResolve(t *testing.T) {
	s := dnstest.Start(t, zone...)
	r := New(Config{Servers: []string{s.Addr}})
	for _, c := range []struct {
		q    Query
		want []string
	}{
		{Query{Host: "carrier.test"}, []string{
			"tls 192.0.2.1:5061", "tls [2001:db8::1]:5061", "tcp 192.0.2.1:5060", "tcp [2001:db8::1]:5060",
			"udp 192.0.2.1:5065", "udp [2001:db8::1]:5065", "udp 192.0.2.2:5066",
		}},
		{Query{Host: "Carrier.test", Protocol: "udp"}, []string{"udp 192.0.2.1:5065", "udp [2001:db8::1]:5065", "udp 192.0.2.2:5066"}},
		{Query{Host: "carrier.test", Port: 5080}, []string{"udp 192.0.2.9:5080"}},
		{Query{Host: "carrier.test", Port: 5080, Protocol: "tls"}, []string{"tls 192.0.2.9:5080"}},
		{Query{Host: "plain.test"}, []string{"udp 192.0.2.3:5060"}},
		{Query{Host: "plain.test", Protocol: "tls"}, []string{"tls 192.0.2.3:5061"}},
		{Query{Host: "onlytcp.test"}, []string{"tcp 192.0.2.2:5070"}},
		{Query{Host: "192.0.2.7"}, []string{"udp 192.0.2.7:5060"}},
		{Query{Host: "[2001:db8::7]", Protocol: "tls"}, []string{"tls [2001:db8::7]:5061"}},
		{Query{Host: "::ffff:192.0.2.7", Port: 1}, []string{"udp 192.0.2.7:1"}},
	} {
		got, err := r.Resolve(t.Context(), c.q)
		if err != nil {
			t.Errorf("%+v: %v", c.q, err)
		}
		if d := cmp.Diff(c.want, texts(got)); d != "" {
			t.Errorf("%+v: %s", c.q, d)
		}
	}
	if got, _ := r.Resolve(t.Context(), Query{Host: "carrier.test"}); got[0].Name != "carrier.test" {
		t.Errorf("TLS would verify %q", got[0].Name) // RFC 5922 7.1: not the SRV record's target
	}
	if _, err := r.Resolve(t.Context(), Query{Host: "none.test", Protocol: "udp"}); !errors.Is(err, ErrNotOffered) {
		t.Errorf("a service that is not offered: %v", err)
	}
	if _, err := r.Resolve(t.Context(), Query{Host: "nowhere.test"}); !errors.Is(err, ErrNoRecords) {
		t.Errorf("a name that is not there: %v", err)
	}
}

func TestNoRouteNoTarget(t *testing.T) {
	s := dnstest.Start(t, zone...)
	r := New(Config{Servers: []string{s.Addr}, Reaches: func(a netip.Addr) bool { return a.Is6() }})
	got, err := r.Resolve(t.Context(), Query{Host: "a.test"})
	if d := cmp.Diff([]string{"udp [2001:db8::1]:5060"}, texts(got)); d != "" || err != nil {
		t.Error(d, err)
	}
	if got, err := r.Resolve(t.Context(), Query{Host: "b.test"}); err == nil {
		t.Error(got)
	}
}

func TestCache(t *testing.T) {
	s := dnstest.Start(t, "a.test. 3600 IN A 192.0.2.1")
	r := New(Config{Servers: []string{"127.0.0.1:1", s.Addr}}) // the first is dead
	for range 3 {
		if got, err := r.Resolve(t.Context(), Query{Host: "a.test", Port: 1}); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
	}
	if n := s.Asked("a.test", dns.TypeA); n != 1 {
		t.Errorf("asked %d times", n)
	}
	// When its time is over and the name server fails, the old answer serves.
	s.Fail(true)
	r.cache.mu.Lock()
	for _, e := range r.cache.entries {
		e.fresh = time.Time{}
	}
	r.cache.mu.Unlock()
	if got, err := r.Resolve(t.Context(), Query{Host: "a.test", Port: 1}); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}

func TestTTLIsBounded(t *testing.T) {
	now := time.Now()
	for ttl, want := range map[uint32]time.Duration{0: shortestTTL, 60: time.Minute, 1 << 31: longestTTL} {
		m := &dns.Msg{Answer: []dns.RR{&dns.A{Hdr: dns.RR_Header{Rrtype: dns.TypeA, Ttl: ttl}}}}
		if got := kept(m, dns.TypeA, now).fresh.Sub(now); got != want {
			t.Errorf("TTL %d is kept %v, want %v", ttl, got, want)
		}
	}
	if got := kept(&dns.Msg{}, dns.TypeA, now).fresh.Sub(now); got != negativeTTL {
		t.Errorf("nothing is kept %v", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := cache{entries: map[question]*entry{}}
	now := time.Now()
	for i := range 2 * maxCached {
		c.put(question{fmt.Sprint(i), 1}, &entry{fresh: now.Add(time.Hour)}, now)
	}
	if len(c.entries) > maxCached {
		t.Errorf("%d entries", len(c.entries))
	}
}

// An answer that does not fit into a datagram comes over TCP, and is bounded.
func TestManyRecords(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("_sip._udp.big.test. 60 IN SRV %d 0 5060 a.test.", i))
	}
	s := dnstest.Start(t, append(many, "a.test. 60 IN A 192.0.2.1")...)
	got, err := New(Config{Servers: []string{s.Addr}}).Resolve(t.Context(), Query{Host: "big.test", Protocol: "udp"})
	if err != nil || len(got) != maxTargets {
		t.Errorf("%d targets, %v", len(got), err)
	}
}

// Every record comes once, by priority; of one priority, as often first as its
// weight says.
func TestOrder(t *testing.T) {
	r := New(Config{})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *dns.SRV {
			return &dns.SRV{Priority: rapid.Uint16Range(0, 3).Draw(t, "p"), Weight: rapid.Uint16().Draw(t, "w")}
		}), 1, 10).Draw(t, "records")
		seen := map[*dns.SRV]bool{}
		out := r.order(append([]*dns.SRV(nil), all...))
		for i, v := range out {
			seen[v] = true
			if i > 0 && v.Priority < out[i-1].Priority {
				t.Fatalf("priority %d after %d", v.Priority, out[i-1].Priority)
			}
		}
		if len(seen) != len(all) {
			t.Fatalf("%d of %d", len(seen), len(all))
		}
	})
	first := 0
	for n := range 101 {
		r.roll = func(int) int { return n }
		if r.order([]*dns.SRV{{Weight: 75, Port: 1}, {Weight: 25, Port: 2}})[0].Port == 1 {
			first++
		}
	}
	if first != 76 { // of the marks 0 to 100, those up to 75
		t.Errorf("weight 75 of 100 is first %d times of 101", first)
	}
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := Target{transport.UDP, netip.MustParseAddrPort("192.0.2.1:5060"), "x"}
		b := Target{transport.UDP, netip.MustParseAddrPort("192.0.2.2:5060"), "x"}
		var h Health
		for _, c := range []struct {
			why   Cause
			after time.Duration
			want  time.Duration
		}{
			{Timeout, 0, timeoutPause},
			{Unreachable, 0, unreachablePause},
			{Overloaded, 0, overloadedPause},
			{Overloaded, 42 * time.Second, 42 * time.Second},
			{Overloaded, 100 * time.Hour, longestPause},
		} {
			h.Failed(a, c.why, c.after)
			if d := cmp.Diff([]string{b.String(), a.String()}, texts(h.Sort([]Target{a, b}))); d != "" {
				t.Error(d)
			}
			time.Sleep(c.want - 1)
			if !h.Down(a) {
				t.Errorf("%v: back before %v", c.why, c.want)
			}
			time.Sleep(time.Nanosecond)
			if h.Down(a) {
				t.Errorf("%v: not back after %v", c.why, c.want)
			}
		}
		h.Failed(a, Timeout, 0)
		h.OK(a)
		if h.Down(a) {
			t.Error("down although it answers")
		}
		for i := range 2 * maxDown {
			h.Failed(Target{transport.UDP, netip.AddrPortFrom(a.Addr.Addr(), uint16(i)), "x"}, Timeout, 0)
		}
		if len(h.down) > maxDown {
			t.Errorf("%d are remembered", len(h.down))
		}
	})
}
