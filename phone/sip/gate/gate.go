// Package gate holds strangers back before anything of theirs is parsed: the
// simple limiter that stands until the guard takes its place.
//
//	Allow(peer) ── known source? ──yes──> its own bucket
//	                    └──no──> exempt? ──> bucket of its address ──> that of all strangers
//	Report(fact) ── useful, proved: tokens come back; wrong secret, junk: more go
//
// What a peer sends costs a token a message. A message that turns out to belong to
// a call or a transaction gives its token back, and a right digest gives back what
// it took to get there and makes the source known: so whoever can prove himself may
// send as much as the server can take (an office behind one address, a load test),
// and whoever cannot gets what refills. A known source is an address with its port;
// it has a bucket of its own, which no flood from elsewhere empties, not even one
// that forges the address of its NAT. A wrong secret costs its address forty
// messages, so that guessing slows to about one a second.
//
// Buckets are in two tables of fixed size. A table is sets of eight; an address has
// its place in one set, by a hash that is keyed with a secret, and a new one takes
// the place of the least interesting of its eight: nothing is ever scanned.
// Goroutines: none. Any may call.
package gate

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tincan/phone/sip/transport"
)

// What things cost and give back, in tokens: a message is one.
const (
	provedGives = 4  // a challenged request, its ACK, the request again: and one over
	wrongCosts  = 40 // of the address of who sent a wrong digest
	junkCosts   = 4  // what is no SIP costs a parser's error besides
)

// Bounds of a known source: a phone that rings, or a load test's one socket
// between two proofs.
const (
	knownRate  = 50
	knownBurst = 1000
)

// Sizes of the tables, in addresses: 1.5 MB together.
const (
	strangers = 1 << 15
	known     = 1 << 15
)

// Settings of a Limiter; they may change while it runs.
type Settings struct {
	// Off lets everything through: for benchmarks and behind another gate.
	Off bool
	// Rate is how many messages a second a stranger's address (IPv4 address, IPv6
	// /64) may send for long, Burst how many at once. A NAT's phones register at
	// once after a power cut: Burst is several messages for each.
	Rate, Burst int
	// Total is how many messages a second all strangers together may send; forged
	// addresses are as many as one likes.
	Total int
	// Exempt networks are never held back.
	Exempt []netip.Prefix
}

// DefaultSettings hold nobody back that is honest: 200 phones behind one address
// register at once with 800 messages.
func DefaultSettings() Settings { return Settings{Rate: 50, Burst: 2000, Total: 5000} }

// Config is what a Limiter depends on. Both functions may be nil and must not
// block.
type Config struct {
	Settings Settings
	// Trusted tells of sources that are known without proof, such as trunks by
	// address. It is asked only of who would be held back.
	Trusted func(netip.AddrPort) bool
	// Held hears of an address that begins to be held back, seldom (tellEvery) for
	// each and tellRate times a second for all.
	Held func(peer netip.AddrPort, messages uint64)
}

// How often Held is called.
const (
	tellEvery = time.Minute
	tellRate  = 5
)

// Counts are totals since the start.
type Counts struct {
	Held atomic.Uint64 // messages and connections that were not let in
}

// Limiter is the gate (transport.Gate). Safe for any goroutine.
type Limiter struct {
	Counts
	cfg      Config
	settings atomic.Pointer[Settings]
	began    time.Time
	key      [4]uint64
	known    *table
	others   *table

	mu    sync.Mutex // guards what follows
	all   bucket     // of all strangers
	tells bucket
}

var _ transport.Gate = (*Limiter)(nil)

// New makes a Limiter that knows nobody.
func New(cfg Config) *Limiter {
	l := &Limiter{cfg: cfg, began: time.Now(), known: newTable(known), others: newTable(strangers)}
	for i := range l.key {
		l.key[i] = rand.Uint64() // from the system's randomness (math/rand/v2, ChaCha8)
	}
	l.Reconfigure(cfg.Settings)
	l.tells = bucket{tokens: tellRate}
	return l
}

// Reconfigure replaces the settings. Buckets keep what they have.
func (l *Limiter) Reconfigure(s Settings) {
	l.settings.Store(&s)
	l.mu.Lock()
	l.all = bucket{tokens: float32(s.Total), at: l.now()}
	l.mu.Unlock()
}

// now is milliseconds since the limiter began, from 1. It wraps after 49 days, when an
// address not heard of for just that long has a bucket less full than it should.
func (l *Limiter) now() uint32 { return uint32(time.Since(l.began)/time.Millisecond) + 1 }

// Allow says whether a message or a connection of peer may come in
// (transport.Gate). A known source costs one look; it allocates nothing.
func (l *Limiter) Allow(peer netip.AddrPort, _ transport.Protocol) bool {
	set := l.settings.Load()
	if set.Off {
		return true
	}
	now := l.now()
	if ok, found := l.known.take(l.sourceHash(peer), now, knownRate, knownBurst); found {
		return ok || l.hold(peer, now)
	}
	for _, p := range set.Exempt {
		if p.Contains(peer.Addr().Unmap()) {
			return true
		}
	}
	if l.others.draw(l.addressHash(peer.Addr()), now, float32(set.Rate), float32(set.Burst)) && l.strangerFits(set, now) {
		return true
	}
	if l.cfg.Trusted != nil && l.cfg.Trusted(peer) {
		return true
	}
	return l.hold(peer, now)
}

func (l *Limiter) strangerFits(set *Settings, now uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.take(now, float32(set.Total), float32(set.Total))
}

// hold counts what is held back, and tells of its address now and then.
func (l *Limiter) hold(peer netip.AddrPort, now uint32) bool {
	l.Held.Add(1)
	if l.cfg.Held == nil {
		return false
	}
	n, due := l.others.held(l.addressHash(peer.Addr()), now)
	if !due {
		return false
	}
	l.mu.Lock()
	tell := l.tells.take(now, tellRate, tellRate)
	l.mu.Unlock()
	if tell {
		l.cfg.Held(peer, n)
	}
	return false
}

// Report hears what became of something that was let in (transport.Gate).
func (l *Limiter) Report(f transport.Fact) {
	set := l.settings.Load()
	if set.Off {
		return
	}
	now, address := l.now(), l.addressHash(f.Peer.Addr())
	give := func(n float32) {
		if l.known.give(l.sourceHash(f.Peer), now, n, knownRate, knownBurst) {
			return
		}
		l.others.give(address, now, n, float32(set.Rate), float32(set.Burst))
		if n > 0 {
			l.mu.Lock()
			l.all.give(now, n, float32(set.Total), float32(set.Total))
			l.mu.Unlock()
		}
	}
	switch f.Kind {
	case transport.Useful:
		give(1)
	case transport.Proved:
		l.known.add(l.sourceHash(f.Peer), now, knownBurst)
		l.known.give(l.sourceHash(f.Peer), now, provedGives, knownRate, knownBurst)
		l.others.give(address, now, provedGives, float32(set.Rate), float32(set.Burst))
	case transport.WrongSecret:
		// Of the address, whichever bucket the message came out of; and the source
		// has to prove itself again.
		l.known.drop(l.sourceHash(f.Peer))
		l.others.give(address, now, -wrongCosts, float32(set.Rate), float32(set.Burst))
	case transport.Junk:
		give(-junkCosts)
	}
}

// sourceHash tells an address with its port from others.
func (l *Limiter) sourceHash(peer netip.AddrPort) uint64 {
	a := peer.Addr().As16()
	return l.mix(binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])^uint64(peer.Port())<<16)
}

// addressHash tells IPv4 addresses and IPv6 /64s apart: who has one address of a
// /64 has them all.
func (l *Limiter) addressHash(a netip.Addr) uint64 {
	b := a.As16()
	low := uint64(0)
	if a.Unmap().Is4() {
		low = binary.BigEndian.Uint64(b[8:])
	}
	return l.mix(binary.BigEndian.Uint64(b[:8]), low)
}

// mix hashes two words with the secret key: who does not know it cannot choose
// addresses that share a set. 0 is kept for empty places.
func (l *Limiter) mix(a, b uint64) uint64 {
	h1, l1 := bits.Mul64(a^l.key[0], b^l.key[1])
	h2, l2 := bits.Mul64(h1^l1^l.key[2], l.key[3]|1)
	return h2 ^ l2 | 1
}
