package gate

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tincan/phone/sip/transport"
)

var (
	stranger = netip.MustParseAddrPort("203.0.113.5:5060")
	office   = netip.MustParseAddr("198.51.100.1")
)

func fact(peer netip.AddrPort, kind transport.FactKind) transport.Fact {
	return transport.Fact{Peer: peer, Protocol: transport.UDP, Kind: kind}
}

// allowed counts how many of n messages are let in.
func allowed(l *Limiter, peer netip.AddrPort, n int) (in int) {
	for range n {
		if l.Allow(peer, transport.UDP) {
			in++
		}
	}
	return in
}

func defaults() *Limiter { return New(Config{Settings: DefaultSettings()}) }

func TestStrangerGetsABurstAndThenTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := defaults()
		if n := allowed(l, stranger, 3000); n != 2000 {
			t.Errorf("%d at once, want 2000", n)
		}
		total := 0
		for range 60 {
			time.Sleep(time.Second)
			total += allowed(l, stranger, 1000)
		}
		if total != 3000 {
			t.Errorf("%d in a minute, want 50 a second", total)
		}
		if n := l.Held.Load(); n != 1000+60*950 {
			t.Errorf("%d held back", n)
		}
		if n := allowed(l, netip.MustParseAddrPort("203.0.113.6:5060"), 10); n != 10 {
			t.Error("the neighbour pays for it")
		}
	})
}

// attempt is a request that is challenged, its ACK, the request again with a
// digest; ok tells whether all of it came in.
func attempt(l *Limiter, peer netip.AddrPort, right bool) (ok bool) {
	if allowed(l, peer, 3) < 3 {
		return false
	}
	kind := transport.WrongSecret
	if right {
		kind = transport.Proved
	}
	l.Report(fact(peer, kind))
	return true
}

// Two hundred phones behind one address come back after a power cut, and go on.
func TestOfficeBehindOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := defaults()
		for round := range 20 {
			for port := range uint16(200) {
				if !attempt(l, netip.AddrPortFrom(office, 10000+port), true) {
					t.Fatalf("phone %d is held back in round %d", port, round)
				}
			}
		}
		// A neighbour of theirs guesses: only he is held back.
		bad := netip.AddrPortFrom(office, 9)
		for attempt(l, bad, false) {
		}
		for port := range uint16(200) {
			if n := allowed(l, netip.AddrPortFrom(office, 10000+port), 100); n != 100 {
				t.Fatalf("phone %d got %d of 100", port, n)
			}
		}
	})
}

// One socket of a load test, at whatever speed: no time passes at all.
func TestWhoeverProvesHimselfMaySendAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := defaults()
		for i := range 20_000 {
			if !attempt(l, stranger, true) {
				t.Fatalf("held back after %d", i)
			}
		}
	})
}

func TestUsefulMessagesAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := defaults()
		for range 20_000 { // a trunk's answers to our calls
			if !l.Allow(stranger, transport.UDP) {
				t.Fatal("held back")
			}
			l.Report(fact(stranger, transport.Useful))
		}
	})
}

func TestGuessingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := defaults()
		guesses := 0
		for range 10 * 60 {
			for attempt(l, stranger, false) {
				guesses++
			}
			time.Sleep(time.Second)
		}
		if guesses < 500 || guesses > 800 {
			t.Errorf("%d guesses in ten minutes, want about one a second", guesses)
		}
	})
}

// Who has an account cannot earn many guesses by it.
func TestProofBuysFewGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := defaults()
		guesses, proofs := 0, 0
		for proofs < 2000 {
			if l.Allow(stranger, transport.UDP) { // with a nonce that is reused
				l.Report(fact(stranger, transport.Proved))
				proofs++
			}
			if l.Allow(stranger, transport.UDP) {
				l.Report(fact(stranger, transport.WrongSecret))
				guesses++
			} else {
				time.Sleep(time.Second)
			}
		}
		if guesses > proofs {
			t.Errorf("%d guesses with %d proofs", guesses, proofs)
		}
	})
}

// A flood in the name of a phone's address, and of all others, leaves the phone
// and the trunk alone.
func TestFloodStarvesNobodyKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trunk := netip.MustParseAddrPort("192.0.2.50:5060")
		l := New(Config{Settings: DefaultSettings(), Trusted: func(p netip.AddrPort) bool { return p == trunk }})
		phone := netip.AddrPortFrom(office, 5060)
		attempt(l, phone, true)
		for i := range uint32(100_000) {
			a := netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
			l.Allow(netip.AddrPortFrom(a, 5060), transport.UDP)
		}
		allowed(l, netip.AddrPortFrom(office, 1), 10_000)
		allowed(l, netip.AddrPortFrom(trunk.Addr(), 1), 10_000)
		if n := allowed(l, phone, 500); n != 500 {
			t.Errorf("the phone got %d of 500", n)
		}
		if n := allowed(l, trunk, 10_000); n != 10_000 {
			t.Errorf("the trunk got %d of 10000", n)
		}
		if n := allowed(l, netip.AddrPortFrom(office, 2), 1); n != 0 {
			t.Error("forged addresses together passed their bound")
		}
	})
}

// Who is held back is not forgotten for a flood of others.
func TestDebtorsKeepTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := DefaultSettings()
		set.Total = 1_000_000
		l := New(Config{Settings: set})
		allowed(l, stranger, 3000)
		for i := range uint32(200_000) {
			l.Allow(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060), transport.UDP)
		}
		if n := allowed(l, stranger, 100); n != 0 {
			t.Errorf("got %d", n)
		}
	})
}

func TestIPv6NeighboursShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := defaults()
		in := 0
		for i := range 3000 {
			a := netip.MustParseAddr(fmt.Sprintf("2001:db8:1:1::%x", i))
			in += allowed(l, netip.AddrPortFrom(a, 5060), 1)
		}
		if in != 2000 {
			t.Errorf("%d of one /64, want 2000", in)
		}
		if n := allowed(l, netip.MustParseAddrPort("[2001:db8:1:2::1]:5060"), 1); n != 1 {
			t.Error("another /64 pays for it")
		}
	})
}

func TestSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := DefaultSettings()
		set.Exempt = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		l := New(Config{Settings: set})
		if n := allowed(l, stranger, 100_000); n != 100_000 {
			t.Errorf("an exempt network got %d", n)
		}
		l.Reconfigure(Settings{Off: true})
		if n := allowed(l, netip.AddrPortFrom(office, 1), 100_000); n != 100_000 {
			t.Errorf("with the gate off %d came in", n)
		}
	})
}

// Events are few, whatever the flood.
func TestHeldIsToldSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := map[netip.Addr]int{}
		l := New(Config{Settings: DefaultSettings(), Held: func(p netip.AddrPort, _ uint64) { told[p.Addr()]++ }})
		for range 10 * 60 {
			allowed(l, stranger, 200)
			time.Sleep(100 * time.Millisecond)
		}
		if n := told[stranger.Addr()]; n < 1 || n > 2 {
			t.Errorf("told %d times in a minute", n)
		}
	})
}

// Whatever comes when, nobody gets more than burst and rate.
func TestNeverMoreThanTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 5000), 1, 50).Draw(t, "steps")
		now, in := uint32(1), 0
		b := bucket{tokens: 2000, at: now}
		for _, ms := range steps {
			now += uint32(ms)
			for b.take(now, 50, 2000) {
				in++
			}
			if most := 2000 + int(now-1)*50/1000; in > most {
				t.Fatalf("%d in %d ms, want at most %d", in, now, most)
			}
		}
	})
}

func TestAllowAllocatesNothing(t *testing.T) {
	l := defaults()
	attempt(l, stranger, true)
	other := netip.MustParseAddrPort("[2001:db8::7]:5060")
	if n := testing.AllocsPerRun(1000, func() {
		l.Allow(stranger, transport.UDP)
		l.Report(fact(stranger, transport.Useful))
		l.Allow(other, transport.UDP)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAllowKnown(b *testing.B) {
	l := defaults()
	attempt(l, stranger, true)
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(stranger, transport.UDP)
	}
}

func BenchmarkAllowStranger(b *testing.B) {
	l := defaults()
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(stranger, transport.UDP)
	}
}
