package sip_test

import (
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport/memory"
)

// A call that stood long before a restart leaves nothing behind when it ends: its
// INVITE, which nobody repeats, is not waited for.
func TestAdoptedCallLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "198.51.100.8")
		defer a.Close()
		defer b.Close()
		a.Register()
		b.Register()
		talk := a.Talk(b)
		s.Restart(time.Minute)
		if calls, _ := s.Calls.Counts(); calls != 1 {
			t.Fatalf("%d calls are taken up", calls)
		}
		a.Send("BYE", talk.ATarget, talk.A, "")
		b.Answer(b.Expect("BYE"), 200, "", "")
		a.Expect("200")
		time.Sleep(time.Minute)
		calls, _ := s.Calls.Counts()
		in, out := s.SIP.Transactions()
		if calls+in+out > 0 {
			t.Errorf("left: %d calls, %d and %d transactions", calls, in, out)
		}
	})
}
