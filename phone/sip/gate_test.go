package sip_test

import (
	"bufio"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip"
	"tincan/phone/sip/gate"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// two are the extensions of most tests here.
func two() []directory.ExtensionForm {
	return []directory.ExtensionForm{{Number: "101", Secret: "pw101"}, {Number: "102", Secret: "pw102"}}
}

// gated starts a server with the limiter in front.
func gated(t *testing.T) (*siptest.Server, *gate.Limiter) {
	t.Helper()
	g := gate.New(gate.Config{Settings: gate.DefaultSettings()})
	return siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{
		Extensions: two(), Config: func(c *sip.Config) { c.Gate = g },
	}), g
}

// guess is a REGISTER with a digest that is wrong, for any user.
func guess(user string, n int) []byte {
	return fmt.Appendf(nil, "REGISTER sip:tincan SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bKg%d\r\n"+
		"From: <sip:%s@tincan>;tag=g\r\nTo: <sip:%[2]s@tincan>\r\nCall-ID: guess-%d\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n"+
		"Contact: <sip:%[2]s@203.0.113.66>\r\n"+
		"Authorization: Digest username=\"%[2]s\", realm=\"tincan\", nonce=\"n%d\", uri=\"sip:tincan\", response=\"0123456789abcdef0123456789abcdef\"\r\n"+
		"Content-Length: 0\r\n\r\n", n, user, n, n)
}

// Two thousand wrong digests a second for a minute: the phones call as before, and
// nothing grows.
func TestWrongDigestsSlowNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := gated(t)
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "203.0.113.9")
		defer a.Close()
		defer b.Close()
		a.Wait, b.Wait = 400*time.Millisecond, 400*time.Millisecond // before anything is sent again
		b.Register()
		a.Register()
		from := netip.MustParseAddrPort("203.0.113.66:5060")
		before := heap()
		for second := range 60 {
			for i := range 2000 {
				s.Net.Send(from, s.At(), guess([]string{"101", "nobody"}[i%2], second*2000+i))
				if i%200 == 0 {
					time.Sleep(100 * time.Millisecond)
				}
			}
			if second%10 == 0 {
				c := a.Talk(b)
				a.Send("BYE", c.ATarget, c.A, "")
				b.Answer(b.Expect("BYE"), 200, "", "")
				a.Expect("200")
			}
		}
		if in, _ := s.SIP.Transactions(); in > 100 {
			t.Errorf("%d transactions", in)
		}
		if grew := heap() - before; grew > 8<<20 {
			t.Errorf("the heap grew by %d bytes", grew)
		}
		if n := g.Held.Load(); n < 119_000 {
			t.Errorf("%d of 120000 held back", n)
		}
		if n := s.SIP.Totals().Refused.Load(); n > 150 {
			t.Errorf("%d digests were looked at", n)
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A stream that sends too much is read more slowly; nothing of it is lost.
func TestStreamIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := gated(t)
		defer s.Close()
		began := time.Now()
		conn, err := s.Net.Host("203.0.113.66").Dial(t.Context(), s.At())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		const n = 3000
		r := bufio.NewReader(conn)
		for i := range n {
			if _, err := conn.Write(fmt.Appendf(nil, "OPTIONS sip:tincan SIP/2.0\r\nVia: SIP/2.0/TCP 203.0.113.66;branch=z9hG4bK%d\r\nFrom: <sip:x@y>;tag=1\r\n"+
				"To: <sip:tincan>\r\nCall-ID: slow\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n", i, i+1)); err != nil {
				t.Fatal(err)
			}
			msg, err := transport.Frame(r)
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			if m, err := wire.ParseMessage(msg); err != nil || m.CSeq().SeqNo != uint32(i+1) {
				t.Fatalf("answer %d is %v, %v", i, m, err)
			}
		}
		if took := time.Since(began); took < 15*time.Second {
			t.Errorf("%d messages in %v", n, took)
		}
	})
}

// Phones that were registered when the last process ended are known to the gate of
// the next: a flood from their NAT's address does not keep them out.
func TestRegisteredPhonesAreKnownAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := gated(t)
		defer s.Close()
		a := s.Phone("101", "pw101", "198.51.100.7")
		defer a.Close()
		a.Register()
		again := gate.New(gate.Config{Settings: gate.DefaultSettings()})
		next := sip.New(sip.Config{Directory: s.Directory, Bindings: s.Bindings, Gate: again, Network: s.Host, Node: "n1"}, sip.Settings{})
		next.Start()
		defer func() { _ = next.Close() }()
		for range 3000 {
			again.Allow(netip.AddrPortFrom(a.At().Addr(), 9), transport.UDP)
		}
		if !again.Allow(a.At(), transport.UDP) {
			t.Error("a registered phone is a stranger after a restart")
		}
		if again.Allow(netip.AddrPortFrom(a.At().Addr(), 9), transport.UDP) {
			t.Error("the flood came in")
		}
	})
}
