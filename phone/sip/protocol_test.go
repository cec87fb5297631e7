package sip_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/directory"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport/memory"
)

// What speaks IAX2 is left alone by SIP: its trunks are not registered, asked nor
// believed, its devices are not called, pinged nor told of, and keep their
// registration when the phone beside them takes its own back.
func TestSIPLeavesIAX2Alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yes, often := true, 10*time.Second
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{
			Extensions: []directory.ExtensionForm{{Number: "101", Secret: "pw101", IAX2: true}, {Number: "102", Secret: "pw102"}},
			Trunks: []directory.TrunkForm{{
				Name: "sister", Protocol: "iax2", Address: "203.0.113.9:5060", Register: &yes, Username: "us", Secret: "between-us",
				Qualify: &often, Match: []string{"198.51.100.20"},
			}},
			Routes: map[string]string{"9": "trunk:sister/1"},
		})
		defer s.Close()
		heard, there := 0, netip.MustParseAddrPort("203.0.113.9:5060")
		iax, err := s.Net.Host("203.0.113.9").ListenPacket(there)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for b := make([]byte, 2000); ; heard++ {
				if _, _, _, err := iax.Recv(b); err != nil {
					return
				}
			}
		}()
		device(t, s, directory.Binding{
			Contact: "iax2:101@" + there.String(), Transport: directory.TransportIAX2, Received: there,
			Expires: time.Now().Add(time.Hour), Updated: time.Now(),
		})
		one, two, stranger := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "198.51.100.8"), s.Phone("9", "", "198.51.100.20")
		defer one.Close()
		defer two.Close()
		defer stranger.Close()

		two.Invite("101", two.Offer())
		two.Expect("480")
		two.Invite("9", two.Offer())
		two.Expect("500")
		stranger.Send("INVITE", "sip:102@tincan", siptest.Dialog{CallID: "c", From: "f", Seq: 1}, stranger.Offer())
		stranger.Expect("401")
		if res := one.Register(); len(res.GetHeaders("Contact")) != 1 {
			t.Errorf("a phone is told of the IAX2 device beside it:\n%s", res)
		}
		unregister(one)
		if left := s.Bindings.For("101"); len(left) != 1 || !left[0].IAX2() {
			t.Errorf("after Contact: * stand %v", left)
		}
		if len(s.SIP.Trunks()) != 0 {
			t.Errorf("SIP's trunks are %v", s.SIP.Trunks())
		}
		time.Sleep(5 * time.Minute)
		_ = iax.Close()
		<-ended
		if heard != 0 {
			t.Errorf("%d datagrams of SIP came to where IAX2 is spoken", heard)
		}
	})
}

func device(t *testing.T, s *siptest.Server, b directory.Binding) {
	t.Helper()
	done := make(chan error, 1)
	s.Bindings.Update("101", []directory.Binding{b}, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// unregister takes all of a phone's registrations back, by Contact: *.
func unregister(p *siptest.Phone) {
	uri := "sip:" + p.Number + "@tincan"
	write := func(seq int, extra ...string) {
		text := p.Request("REGISTER", uri, siptest.Dialog{CallID: "away", From: "r", Seq: seq}, "", append(extra, "Expires: 0")...)
		before, after, _ := strings.Cut(text, "Contact: <")
		_, after, _ = strings.Cut(after, "\r\n")
		p.Write(before + "Contact: *\r\n" + after)
	}
	write(1)
	write(2, p.Credentials(p.Expect("401"), "REGISTER", uri, 1))
	p.Expect("200")
}
