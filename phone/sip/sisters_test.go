package sip_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/directory"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport/memory"
)

// sisters are two servers, of which near registers at far.
func sisters(t *testing.T, net *memory.Network) (near, far *siptest.Server) {
	t.Helper()
	yes := true
	far = siptest.Start(t, net, siptest.Options{
		Addrs:      []string{"203.0.113.1"},
		Extensions: []directory.ExtensionForm{{Number: "102", Secret: "pw102"}},
		Trunks:     []directory.TrunkForm{{Name: "sister", Accept: "register", Username: "near", Secret: "between-us"}},
		Routes:     map[string]string{"9101": "trunk:sister/101"},
	})
	near = siptest.Start(t, net, siptest.Options{
		Addrs:      []string{"198.51.100.1"},
		Extensions: []directory.ExtensionForm{{Number: "101", Secret: "pw101"}},
		Trunks:     []directory.TrunkForm{{Name: "sister", Address: "203.0.113.1", Register: &yes, Username: "near", Secret: "between-us"}},
		Routes:     map[string]string{"9102": "trunk:sister/102"},
	})
	return near, far
}

// A day between two servers over a network that loses every tenth datagram: the
// registration never runs out, calls go both ways, and nothing is left over.
func TestADayOfARegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memory.New(7, memory.Weather{})
		near, far := sisters(t, net)
		defer far.Close()
		defer near.Close()
		a, b := near.Phone("101", "pw101", "198.51.100.7"), far.Phone("102", "pw102", "203.0.113.7")
		defer a.Close()
		defer b.Close()
		for hour := range 24 {
			net.SetWeather(memory.Weather{Loss: 0.1, Delay: 30 * time.Millisecond})
			for range 59 {
				time.Sleep(time.Minute)
				if st := near.SIP.Trunks()[0]; st.State != "registered" {
					t.Fatalf("hour %d: %+v", hour, st)
				}
				if n := len(far.Bindings.For("trunk:sister")); n != 1 {
					t.Fatalf("hour %d: %d bindings", hour, n)
				}
			}
			net.SetWeather(memory.Weather{})
			a.Register()
			b.Register()
			across(t, a, b, "9102")
			across(t, b, a, "9101")
			time.Sleep(time.Minute)
		}
		near.SIP.Unregister(context.Background())
		time.Sleep(time.Minute)
		if n := len(far.Bindings.For("trunk:sister")); n != 0 {
			t.Errorf("%d bindings after the goodbye", n)
		}
		for name, s := range map[string]*siptest.Server{"near": near, "far": far} {
			if in, out := s.SIP.Transactions(); in+out != 0 {
				t.Errorf("%s: %d and %d transactions left", name, in, out)
			}
			if st := s.SIP.Trunks()[0]; st.In+st.Out != 0 {
				t.Errorf("%s: %+v", name, st)
			}
		}
	})
}

// across calls from a phone of one server to one of the other and hangs up.
func across(t *testing.T, from, to *siptest.Phone, number string) {
	t.Helper()
	d := from.Invite(number, from.Offer())
	in := to.Expect("INVITE")
	to.Answer(in, 200, "bt", to.Offer())
	to.Expect("ACK")
	ok := from.Expect("200")
	d.To, d.Branch = siptest.Tag(ok), ""
	from.Send("ACK", siptest.Target(ok), d, "")
	d.Seq++
	from.Send("BYE", siptest.Target(ok), d, "")
	to.Answer(to.Expect("BYE"), 200, "", "")
	from.Expect("200")
}

// While the other side is away the registration backs off, and it is back soon
// after.
func TestFarIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memory.New(8, memory.Weather{})
		near, far := sisters(t, net)
		defer near.Close()
		time.Sleep(time.Second)
		if st := near.SIP.Trunks()[0]; st.State != "registered" {
			t.Fatalf("%+v", st)
		}
		far.Close()
		time.Sleep(20 * time.Minute) // it is registered until its time runs out
		st := near.SIP.Trunks()[0]
		if st.State != "waiting" && st.State != "registering" || st.Error == "" || time.Until(st.Next) > 30*time.Minute {
			t.Errorf("%+v", st)
		}
		if in, out := near.SIP.Transactions(); in+out > 2 {
			t.Errorf("%d and %d transactions at a server that is away", in, out)
		}
	})
}
