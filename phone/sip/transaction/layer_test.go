package transaction

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/google/go-cmp/cmp"

	"tincan/phone/sip/transport"
)

var (
	udp = transport.Path{
		Protocol: transport.UDP,
		Local:    netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.9:5062"),
	}
	tcp = transport.Path{Protocol: transport.TCP, Local: udp.Local, Remote: udp.Remote}
)

// bench is a layer over a network that only notes what is sent and when.
type bench struct {
	t     *testing.T
	layer *Layer
	began time.Time
	mu    sync.Mutex // guards sent and raw: timers send, each on a goroutine of its own
	sent  []string   // "seconds first-line-words"
	raw   []string
	got   []*wire.Request
	tx    []*Server
	gone  []*Server // cancelled
	stray int
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, began: time.Now()}
	b.layer = New(Config{User: b, Send: func(_ transport.Path, m []byte) error {
		words := strings.Fields(string(m))
		first := words[0]
		if first == "SIP/2.0" {
			first = words[1]
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sent = append(b.sent, fmt.Sprintf("%.1f %s", time.Since(b.began).Seconds(), first))
		b.raw = append(b.raw, string(m))
		return nil
	}})
	return b
}

// sends is how often anything was sent.
func (b *bench) sends() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sent)
}

// pass lets time go by, and everything that it sets off come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) Request(tx *Server, req *wire.Request, _ transport.Path) {
	b.got, b.tx = append(b.got, req), append(b.tx, tx)
}
func (b *bench) Cancelled(invite *Server, _ *wire.Request) { b.gone = append(b.gone, invite) }
func (b *bench) Stray(*wire.Response, transport.Path)      { b.stray++ }

func (b *bench) receive(p transport.Path, text string) {
	b.t.Helper()
	m, err := wire.ParseMessage([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	if err != nil {
		b.t.Fatalf("parse %q: %v", text, err)
	}
	b.layer.Receive(m, p)
}

func (b *bench) wantSent(want ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := cmp.Diff(want, b.sent); d != "" {
		b.t.Errorf("sent (-want +got):\n%s", d)
	}
}

func (b *bench) wantEmpty() {
	b.t.Helper()
	if s, c := b.layer.Count(); s+c != 0 {
		b.t.Errorf("%d server and %d client transactions left", s, c)
	}
}

func request(method, branch string, seq int) string {
	return fmt.Sprintf("%s sip:102@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=%s\nFrom: <sip:101@192.0.2.1>;tag=a\nTo: <sip:102@192.0.2.1>\nCall-ID: c1\nCSeq: %d %s\nContent-Length: 0\n\n", method, branch, seq, method)
}

func (b *bench) out(method wire.RequestMethod, p transport.Path, on Responses) *Client {
	var u wire.Uri
	if err := wire.ParseUri("sip:102@192.0.2.9:5062", &u); err != nil {
		b.t.Fatal(err)
	}
	req := wire.NewRequest(method, u)
	id := wire.CallIDHeader("c2")
	req.AppendHeader(&wire.FromHeader{Address: u, Params: wire.HeaderParams{{K: "tag", V: "us"}}})
	req.AppendHeader(&wire.ToHeader{Address: u})
	req.AppendHeader(&id)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: 1, MethodName: method})
	req.SetBody(nil)
	return b.layer.Request(req, p, on)
}

// answerTo sends a response to the i-th message that we sent.
func (b *bench) answerTo(i, code int, toTag string) {
	b.t.Helper()
	m, err := wire.ParseMessage([]byte(b.raw[i]))
	if err != nil {
		b.t.Fatal(err)
	}
	res := Reply(m.(*wire.Request), code, "x")
	if toTag != "" {
		SetTag(res, toTag)
	}
	b.layer.Receive(res, udp)
}

func TestClientInviteTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var failed error
		b.out(wire.INVITE, udp, func(_ *wire.Response, err error) { failed = err })
		pass(33 * time.Second)
		b.wantSent("0.0 INVITE", "0.5 INVITE", "1.5 INVITE", "3.5 INVITE", "7.5 INVITE", "15.5 INVITE", "31.5 INVITE")
		if failed != ErrTimeout {
			t.Errorf("ended with %v, want ErrTimeout", failed)
		}
		b.wantEmpty()
	})
}

func TestClientNonInviteTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var failed error
		b.out(wire.OPTIONS, udp, func(_ *wire.Response, err error) { failed = err })
		pass(33 * time.Second)
		b.wantSent("0.0 OPTIONS", "0.5 OPTIONS", "1.5 OPTIONS", "3.5 OPTIONS", "7.5 OPTIONS", "11.5 OPTIONS",
			"15.5 OPTIONS", "19.5 OPTIONS", "23.5 OPTIONS", "27.5 OPTIONS", "31.5 OPTIONS")
		if failed != ErrTimeout {
			t.Errorf("ended with %v, want ErrTimeout", failed)
		}
		b.wantEmpty()
	})
}

func TestReliableTransportSendsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.out(wire.INVITE, tcp, func(*wire.Response, error) {})
		pass(40 * time.Second)
		b.wantSent("0.0 INVITE")
		b.wantEmpty()
	})
}

// Any number of provisional answers goes up: sipgo's dialog gives up after ten.
func TestManyProvisionalsThenForkedAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var codes []int
		b.out(wire.INVITE, udp, func(res *wire.Response, err error) {
			if err != nil {
				t.Errorf("ended with %v", err)
				return
			}
			codes = append(codes, res.StatusCode)
		})
		want := []int{}
		for range 25 {
			b.answerTo(0, 180, "one")
			want = append(want, 180)
		}
		pass(5 * time.Minute) // it may ring for long
		b.answerTo(0, 200, "one")
		b.answerTo(0, 200, "two") // another branch of a fork downstream
		b.answerTo(0, 200, "one") // the ACK was lost
		if d := cmp.Diff(append(want, 200, 200, 200), codes); d != "" {
			t.Error(d)
		}
		b.wantSent("0.0 INVITE")
		pass(33 * time.Second)
		b.wantEmpty()
		b.answerTo(0, 200, "one")
		if b.stray != 1 {
			t.Errorf("%d stray answers, want 1: the dialog acknowledges late ones", b.stray)
		}
	})
}

func TestRefusalIsAcknowledgedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		n := 0
		b.out(wire.INVITE, udp, func(*wire.Response, error) { n++ })
		b.answerTo(0, 486, "x")
		b.answerTo(0, 486, "x")
		b.wantSent("0.0 INVITE", "0.0 ACK", "0.0 ACK")
		if n != 1 {
			t.Errorf("the refusal went up %d times", n)
		}
		if branch(b.raw[0]) != branch(b.raw[1]) {
			t.Error("the ACK to a refusal must have the INVITE's branch")
		}
		pass(33 * time.Second)
		b.wantEmpty()
	})
}

func branch(m string) string {
	_, rest, _ := strings.Cut(m, "branch=")
	v, _, _ := strings.Cut(rest, ";")
	v, _, _ = strings.Cut(v, "\r")
	return v
}

func TestCancelWaitsForAProvisional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		c := b.out(wire.INVITE, tcp, func(*wire.Response, error) {})
		c.Cancel("")
		c.Cancel("")
		b.wantSent("0.0 INVITE")
		b.answerTo(0, 100, "")
		b.wantSent("0.0 INVITE", "0.0 CANCEL")
		if branch(b.raw[0]) != branch(b.raw[1]) {
			t.Error("the CANCEL must have the INVITE's branch")
		}
		b.answerTo(1, 200, "x")
		b.answerTo(0, 487, "x")
		b.wantSent("0.0 INVITE", "0.0 CANCEL", "0.0 ACK")
		pass(time.Minute)
		b.wantEmpty()
	})
}

func TestCancelThatNobodyHeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var failed error
		c := b.out(wire.INVITE, tcp, func(_ *wire.Response, err error) { failed = err })
		b.answerTo(0, 180, "x")
		c.Cancel("")
		pass(33 * time.Second)
		if failed != ErrTimeout {
			t.Errorf("ended with %v, want ErrTimeout", failed)
		}
		b.wantEmpty()
	})
}

// A server INVITE lives on when its handler has returned, until a final answer
// and its ACK: sipgo's server ends it with the handler.
func TestServerInviteRefusedUntilACK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.receive(udp, request("INVITE", "z9hG4bK1", 1))
		b.tx[0].Respond(Reply(b.got[0], 180, "Ringing"))
		b.receive(udp, request("INVITE", "z9hG4bK1", 1)) // retransmitted: the latest answer again
		pass(10 * time.Second)
		b.tx[0].Respond(Reply(b.got[0], 486, "Busy Here"))
		pass(4 * time.Second)
		b.receive(udp, request("ACK", "z9hG4bK1", 1))
		pass(20 * time.Second)
		b.wantSent("0.0 180", "0.0 180", "10.0 486", "10.5 486", "11.5 486", "13.5 486")
		if len(b.got) != 1 {
			t.Errorf("%d requests went up, want the INVITE alone", len(b.got))
		}
		b.wantEmpty()
	})
}

func TestServerInviteNeverAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.receive(udp, request("INVITE", "z9hG4bK1", 1))
		b.tx[0].Respond(Reply(b.got[0], 486, "Busy Here"))
		pass(40 * time.Second)
		if len(b.sent) != 11 { // 0, .5, 1.5, 3.5, then every 4 s until 32 s
			t.Errorf("sent %d times: %v", len(b.sent), b.sent)
		}
		b.wantEmpty()
	})
}

// RFC 6026: the INVITE again after a 2xx is absorbed, the ACK goes up.
func TestServerInviteAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.receive(udp, request("INVITE", "z9hG4bK1", 1))
		b.tx[0].Respond(Reply(b.got[0], 200, "OK"))
		b.receive(udp, request("INVITE", "z9hG4bK1", 1))
		b.receive(udp, request("ACK", "z9hG4bK2", 1))
		b.wantSent("0.0 200")
		if len(b.got) != 2 || b.got[1].Method != wire.ACK || b.tx[1] != nil {
			t.Error("the ACK to a 2xx must go up without a transaction")
		}
		pass(33 * time.Second)
		b.wantEmpty()
	})
}

// The 487 after a CANCEL and the 200 to it carry the tag of our 180.
func TestCancelledAnswersKeepTheTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.receive(udp, request("INVITE", "z9hG4bK1", 1))
		b.tx[0].SetTag("ours")
		b.tx[0].Respond(Reply(b.got[0], 180, "Ringing"))
		b.receive(udp, request("CANCEL", "z9hG4bK1", 1))
		if len(b.gone) != 1 || b.gone[0] != b.tx[0] {
			t.Fatal("the CANCEL did not reach its INVITE")
		}
		b.gone[0].Respond(Reply(b.got[0], 487, "Request Terminated"))
		b.wantSent("0.0 180", "0.0 200", "0.0 487")
		for i, m := range b.raw {
			if !strings.Contains(m, ";tag=ours") {
				t.Errorf("answer %d lacks the tag of the 180:\n%s", i, m)
			}
		}
	})
}

func TestCancelOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.receive(udp, request("CANCEL", "z9hG4bK1", 1))
		b.wantSent("0.0 481")
		other := udp
		other.Remote = netip.MustParseAddrPort("198.51.100.7:5062")
		b.receive(udp, request("INVITE", "z9hG4bK7", 1))
		b.receive(other, request("CANCEL", "z9hG4bK7", 1))
		if len(b.gone) != 0 {
			t.Error("a CANCEL from another address ended the call")
		}
	})
}

// A stranger who is challenged leaves nothing behind; an answered request
// keeps its answer for 32 s.
func TestRespondOnceKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.receive(udp, request("REGISTER", "z9hG4bK1", 1))
		b.tx[0].RespondOnce(Reply(b.got[0], 401, "Unauthorized"))
		b.wantEmpty()
		b.receive(udp, request("REGISTER", "z9hG4bK2", 2))
		b.tx[1].Respond(Reply(b.got[1], 200, "OK"))
		pass(31 * time.Second)
		b.receive(udp, request("REGISTER", "z9hG4bK2", 2))
		b.wantSent("0.0 401", "0.0 200", "31.0 200")
		pass(2 * time.Second)
		b.wantEmpty()
	})
}

// Two layers with timers of their own live side by side: no globals.
func TestTimersAreTheLayersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		quick := New(Config{User: b, Send: b.layer.cfg.Send, Timers: Timers{T1: 10 * time.Millisecond, T2: 40 * time.Millisecond, T4: 50 * time.Millisecond}})
		slow := b.layer
		b.layer = quick
		var failed error
		b.out(wire.OPTIONS, udp, func(_ *wire.Response, err error) { failed = err })
		pass(time.Second)
		if failed != ErrTimeout {
			t.Errorf("ended with %v, want ErrTimeout after 64*10 ms", failed)
		}
		b.layer = slow
		n := b.sends()
		b.out(wire.OPTIONS, udp, func(*wire.Response, error) {})
		pass(1200 * time.Millisecond)
		if got := b.sends() - n; got != 2 {
			t.Errorf("the slow layer sent %d times within 1.2 s, want 2", got)
		}
		pass(time.Minute)
	})
}

func TestViaNotesWhereFrom(t *testing.T) {
	b := newBench(t)
	b.receive(udp, request("OPTIONS", "z9hG4bK1;rport;received=203.0.113.5", 1))
	v := b.got[0].Via()
	if got, _ := v.Params.Get("received"); got != "192.0.2.9" {
		t.Errorf("received=%s", got)
	}
	if got, _ := v.Params.Get("rport"); got != "5062" {
		t.Errorf("rport=%s", got)
	}
	b.tx[0].RespondOnce(Reply(b.got[0], 200, "OK"))
}

// A 100 goes out only when nothing else did within 150 ms.
func TestTryingOnlyWhenItTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.receive(udp, request("INVITE", "z9hG4bK1", 1))
		b.tx[0].Trying(func() *wire.Response { return Reply(b.got[0], 100, "Trying") })
		pass(100 * time.Millisecond)
		b.tx[0].Respond(Reply(b.got[0], 180, "Ringing"))
		b.receive(udp, request("INVITE", "z9hG4bK2", 2))
		b.tx[1].Trying(func() *wire.Response { return Reply(b.got[1], 100, "Trying") })
		pass(time.Second)
		b.wantSent("0.1 180", "0.2 100")
		for i := range b.tx {
			b.tx[i].RespondOnce(Reply(b.got[i], 486, "Busy Here"))
		}
	})
}
