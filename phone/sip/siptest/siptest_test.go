package siptest

import (
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/directory"
	"tincan/phone/sip/transport/memory"
)

// A whole call in virtual time, over a network that loses, delays and disorders.
func TestCallInBadWeather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		net := memory.New(1, memory.Weather{})
		s := Start(t, net, Options{Extensions: []directory.ExtensionForm{
			{Number: "101", Secret: "pw101"}, {Number: "102", Secret: "pw102"},
		}})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "203.0.113.9")
		defer a.Close()
		defer b.Close()
		a.Register()
		b.Register()
		net.SetWeather(memory.Weather{Twice: 0.5, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond})
		c := a.Talk(b)
		a.Send("BYE", c.ATarget, c.A, "")
		b.Answer(b.Expect("BYE"), 200, "", "")
		a.Expect("200")
		time.Sleep(time.Minute) // virtual: the transactions end
		if calls, _ := s.Calls.Counts(); calls != 0 {
			t.Errorf("%d calls left", calls)
		}
		if in, out := s.SIP.Transactions(); in+out != 0 {
			t.Errorf("%d and %d transactions left", in, out)
		}
		if used, _ := s.Media.Ports(); used != 0 {
			t.Errorf("%d ports left", used)
		}
		t.Logf("%v passed", time.Since(began))
	})
}

// A phone that moves is reached where it registers from.
func TestPhoneMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Start(t, memory.New(1, memory.Weather{}), Options{Extensions: []directory.ExtensionForm{
			{Number: "101", Secret: "pw101"}, {Number: "102", Secret: "pw102"},
		}})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "203.0.113.9")
		defer a.Close()
		defer b.Close()
		b.Register()
		b.Host.Move("203.0.113.9", "192.0.2.77")
		b.Register()
		d := a.Invite("102", a.Offer())
		b.Answer(b.Expect("INVITE"), 486, "bt", "")
		d.To = Tag(a.Expect("486"))
		a.Send("ACK", "sip:102@tincan", d, "")
	})
}
