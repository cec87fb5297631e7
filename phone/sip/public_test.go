package sip_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport/memory"
)

// lounge starts a server where strangers may call sip:lounge, four at once.
func lounge(t *testing.T) *siptest.Server {
	t.Helper()
	return siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{
		Extensions: two(), Public: map[string]string{"lounge": "extension:102"}, Routes: map[string]string{"9": "trunk:peer/9"},
		Trunks:   []directory.TrunkForm{{Name: "peer", Address: "192.0.2.50", Match: []string{"192.0.2.50"}}},
		Settings: &sip.Settings{RegisterMin: time.Minute, RegisterMax: time.Hour, Guests: 4, Domain: "phones.example", Aliases: []string{"old.example"}},
	})
}

// visit calls the lounge as a stranger does: follows the 302 with its cookie.
func visit(p *siptest.Phone) siptest.Dialog {
	d := siptest.Dialog{CallID: fmt.Sprint("visit-", p.At()), From: "v", Seq: 1, Branch: "z9hG4bKv1"}
	p.Send("INVITE", "sip:lounge@phones.example", d, p.Offer())
	moved := p.Expect("302")
	ack := d
	ack.To = siptest.Tag(moved)
	p.Send("ACK", "sip:lounge@phones.example", ack, "")
	d.Seq, d.Branch = 2, "z9hG4bKv2"
	p.Send("INVITE", siptest.Target(moved), d, p.Offer())
	return d
}

// A stranger gets through to what is public, shown with his whole address, and to
// nothing else.
func TestStrangerCallsThePublic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lounge(t)
		defer s.Close()
		guest, b := s.Phone("101", "", "203.0.113.66"), s.Phone("102", "pw102", "198.51.100.7")
		defer guest.Close()
		defer b.Close()
		b.Register()
		for _, other := range []string{"102", "*43", "lounge2", ""} {
			d := siptest.Dialog{CallID: "x" + other, From: "x", Seq: 1}
			guest.Send("INVITE", "sip:"+other+"@phones.example", d, guest.Offer())
			guest.Expect("401")
		}
		d := visit(guest)
		in := b.Expect("INVITE").(*wire.Request)
		if from := in.From().Address.User; !strings.Contains(from, "101%40tincan") {
			t.Errorf("a stranger who says that he is 101 is shown as %q", from)
		}
		b.Answer(in, 200, "bt", b.Offer())
		d.To, d.Branch = siptest.Tag(guest.Expect("200")), ""
		guest.Send("ACK", "sip:lounge@phones.example", d, "")
		b.Expect("ACK")
		d.Seq++
		guest.Send("BYE", "sip:lounge@phones.example", d, "")
		b.Answer(b.Expect("BYE"), 200, "", "")
		guest.Expect("200")
	})
}

// Whoever cannot get our answers rings no phone: a cookie is good for the address
// that it was given to, and for a minute.
func TestForgedStrangerRingsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lounge(t)
		defer s.Close()
		guest, other, b := s.Phone("eve", "", "203.0.113.66"), s.Phone("eve", "", "203.0.113.67"), s.Phone("102", "pw102", "198.51.100.7")
		defer guest.Close()
		defer other.Close()
		defer b.Close()
		b.Register()
		d := siptest.Dialog{CallID: "c", From: "f", Seq: 1}
		guest.Send("INVITE", "sip:lounge@phones.example", d, guest.Offer())
		uri := siptest.Target(guest.Expect("302"))
		other.Send("INVITE", uri, siptest.Dialog{CallID: "d", From: "f", Seq: 1}, other.Offer())
		other.Expect("302")
		other.Send("INVITE", strings.Replace(uri, "way=", "way=0", 1), siptest.Dialog{CallID: "e", From: "f", Seq: 1}, other.Offer())
		other.Expect("302")
		time.Sleep(time.Minute + 5*time.Second)
		guest.Send("INVITE", uri, siptest.Dialog{CallID: "g", From: "f", Seq: 1}, guest.Offer())
		guest.Expect("302")
		if calls, _ := s.Calls.Counts(); calls != 0 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestStrangersCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lounge(t)
		defer s.Close()
		b := s.Phone("102", "pw102", "198.51.100.7")
		defer b.Close()
		b.Register()
		for i, want := range []string{"", "", "503"} { // half of four from one host
			p := s.PhoneAt("eve", "", netip.AddrPortFrom(netip.MustParseAddr("203.0.113.66"), uint16(6000+i)))
			defer p.Close()
			visit(p)
			if want != "" {
				p.Expect(want)
			}
		}
		for i, want := range []string{"", "", "503"} {
			p := s.Phone("ada", "", fmt.Sprintf("203.0.113.%d", 70+i))
			defer p.Close()
			visit(p)
			if want != "" {
				p.Expect(want)
			}
		}
		time.Sleep(2 * time.Minute) // nobody answered
		if calls, _ := s.Calls.Counts(); calls != 0 {
			t.Fatalf("%d calls", calls)
		}
		p := s.Phone("late", "", "203.0.113.99")
		defer p.Close()
		visit(p)
		b.Expect("INVITE")
	})
}

// Sound for a stranger goes to where he signals from, or to where his own comes
// from: he cannot have it sent to a third.
func TestStrangerCannotPointMediaElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lounge(t)
		defer s.Close()
		victim := s.Net.Host("192.0.2.200")
		sink, err := victim.ListenPacket(netip.MustParseAddrPort("192.0.2.200:40000"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sink.Close() }()
		hit := make(chan int, 1)
		go func() {
			n := 0
			for {
				if _, _, _, err := sink.Recv(make([]byte, 2000)); err != nil {
					hit <- n
					return
				}
				n++
			}
		}()
		guest, b := s.Phone("eve", "", "203.0.113.66"), s.Phone("102", "pw102", "198.51.100.7")
		defer guest.Close()
		defer b.Close()
		b.Register()
		d := siptest.Dialog{CallID: "c", From: "f", Seq: 1}
		guest.Send("INVITE", "sip:lounge@phones.example", d, "")
		uri := siptest.Target(guest.Expect("302"))
		d.Seq = 2
		guest.Send("INVITE", uri, d, strings.ReplaceAll(guest.Offer(), "203.0.113.66", "192.0.2.200"))
		in := b.Expect("INVITE")
		b.Answer(in, 200, "bt", b.Offer())
		ok := guest.Expect("200")
		d.To = siptest.Tag(ok)
		guest.Send("ACK", uri, d, "")
		talk(s, b, in.(*wire.Request), 100)
		_ = sink.Close()
		if n := <-hit; n != 0 {
			t.Errorf("%d packets at somebody who did not ask", n)
		}
	})
}

// talk sends sound from a phone's offered port to the server's.
func talk(s *siptest.Server, p *siptest.Phone, offered *wire.Request, packets int) {
	from := netip.AddrPortFrom(p.At().Addr(), 40000)
	for i := range packets {
		s.Net.Send(from, netip.AddrPortFrom(s.At().Addr(), audioPort(offered)), rtp(i))
		time.Sleep(20 * time.Millisecond)
	}
}

// Requests for other domains than ours find nobody; addresses and short names do.
func TestDomains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lounge(t)
		defer s.Close()
		x := listen(t, s, "203.0.113.66")
		defer x.close()
		n := 0
		for host, want := range map[string]string{
			"phones.example": "401", "PHONES.example.": "401", "old.example": "401", "192.0.2.1": "401", "203.0.113.1": "401",
			"[2001:db8::1]": "401", "localhost": "401", "tincan": "401", "pbx.local": "401",
			"other.example": "404", "phones.example.org": "404", "1.2.3.4.example": "404",
		} {
			for _, method := range []string{"REGISTER", "INVITE"} {
				n++
				x.send([]byte(strings.Replace(string(request(method, "101", n)), "101@192.0.2.1 SIP", "101@"+host+" SIP", 1)))
				if got := x.status(); got != want {
					t.Errorf("%s for %s: %s, want %s", method, host, got, want)
				}
			}
		}
	})
}

// What we send within a stranger's call goes to where he called from, wherever his
// Contact and his later requests point: he cannot have us bother a third.
func TestStrangerCannotPointSignallingElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lounge(t)
		defer s.Close()
		victim := listen(t, s, "192.0.2.200")
		defer victim.close()
		guest, b := s.Phone("eve", "", "203.0.113.66"), s.Phone("102", "pw102", "198.51.100.7")
		defer guest.Close()
		defer b.Close()
		b.Register()
		d := siptest.Dialog{CallID: "c", From: "f", Seq: 1}
		guest.Send("INVITE", "sip:lounge@phones.example", d, "")
		uri := siptest.Target(guest.Expect("302"))
		elsewhere := func(text string) string {
			return strings.ReplaceAll(text, "Contact: <sip:eve@203.0.113.66:5060>", "Contact: <sip:eve@192.0.2.200:5060>")
		}
		d.Seq = 2
		guest.Write(elsewhere(guest.Request("INVITE", uri, d, guest.Offer(), "Record-Route: <sip:192.0.2.200;lr>")))
		in := b.Expect("INVITE").(*wire.Request)
		b.Answer(in, 200, "bt", b.Offer())
		d.To = siptest.Tag(guest.Expect("200"))
		guest.Send("ACK", uri, d, "")
		b.Expect("ACK")
		d.Seq = 3
		s.Net.Send(netip.MustParseAddrPort("192.0.2.200:5060"), s.At(), []byte(guest.Request("INFO", uri, d, ""))) // forged
		victim.drain()
		from, _ := in.From().Params.Get("tag")
		b.Send("BYE", siptest.Target(in), siptest.Dialog{CallID: string(*in.CallID()), From: "bt", To: from, Seq: 1}, "")
		b.Expect("200")
		guest.Expect("BYE")
		time.Sleep(time.Minute)
		if n := len(victim.drain()); n != 0 {
			t.Errorf("%d messages at somebody who did not ask", n)
		}
	})
}

// A stranger in the lounge cannot send whom he talks to on to a trunk: what he may
// call he may transfer to, and no more.
func TestStrangerCannotTransferOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lounge(t)
		defer s.Close()
		carrier := listen(t, s, "192.0.2.50")
		defer carrier.close()
		guest, b := s.Phone("eve", "", "203.0.113.66"), s.Phone("102", "pw102", "198.51.100.7")
		defer guest.Close()
		defer b.Close()
		b.Register()
		d := visit(guest)
		b.Answer(b.Expect("INVITE"), 200, "bt", b.Offer())
		d.To, d.Branch = siptest.Tag(guest.Expect("200")), ""
		guest.Send("ACK", "sip:lounge@phones.example", d, "")
		b.Expect("ACK")
		for _, to := range []string{"sip:9@tincan", "sip:101@tincan", "sip:9@192.0.2.50"} {
			d.Seq++
			guest.Send("REFER", "sip:lounge@phones.example", d, "", "Refer-To: <"+to+">")
			time.Sleep(5 * time.Second)
		}
		if n := len(carrier.drain()); n != 0 {
			t.Errorf("the carrier got %d messages", n)
		}
		if calls, _ := s.Calls.Counts(); calls != 1 {
			t.Errorf("%d calls, want the one in the lounge", calls)
		}
	})
}
