package ice

import (
	"cmp"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"

	"tincan/phone/codec"
	"tincan/phone/media"
)

func TestTwoFlowsFindEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		a, b Config
		mux  bool
	}{
		"one port":            {mux: true},
		"two ports":           {},
		"one is lite":         {b: Config{Lite: true}, mux: true},
		"who offered is lite": {a: Config{Lite: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN()
				a, b := newMachine(t, l, "10.0.0.1", c.a).open(Options{}), newMachine(t, l, "10.0.0.2", c.b).open(Options{})
				join(t, a, b, c.mux)
				time.Sleep(time.Second)
				synctest.Wait()
				talk(t, a, b)
				if s := a.flow.Stats(); !s.Latched || s.Remote != netip.AddrPortFrom(b.addr, b.flow.Port()) {
					t.Errorf("a sends to %v (settled: %v), want b", s.Remote, s.Latched)
				}
				a.flow.Close()
				b.flow.Close()
			})
		})
	}
}

// A browser hides its addresses behind names, and some candidates make no sense:
// its own checks show where it is, and nothing waits for the rest.
func TestNamesAndNonsense(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		offer, answer := a.socket.Local(), b.socket.Local()
		offer.Candidates = nil
		for _, c := range []media.Candidate{
			{Host: "9b36eaac-bb2e-49bb-bb78-21c41c499900.local"},
			{Host: "0.0.0.0"},
			{Host: "224.0.0.1"},
			{Host: "10.0.0.9", Transport: "tcp", TCPType: "active"},
			{Host: "10.0.0.9", Transport: "sctp"},
			{Host: "10.0.0.9", Type: "strange"},
			{Host: "10.0.0.9", Component: 7},
		} {
			c.Port, c.Foundation = 4000, "1"
			c.Transport, c.Type, c.Component = cmp.Or(c.Transport, "udp"), cmp.Or(c.Type, "host"), cmp.Or(c.Component, 1)
			offer.Candidates = append(offer.Candidates, c)
		}
		if err := b.socket.Start(offer, false, true); err != nil {
			t.Fatal(err)
		}
		if err := a.socket.Start(answer, true, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		talk(t, a, b)
		b.socket.Add(offer.Ufrag, offer.Candidates)
		b.socket.Add("another", offer.Candidates)
		talk(t, a, b)
	})
}

// bubble runs a test in virtual time on a network of its own.
func bubble(t *testing.T, f func(t *testing.T, l *lan)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newLAN()) })
}

// A party that begins anew, from another address, is heard and hears all the
// time: by the old way until the new one is found.
func TestRestartAtAnotherAddress(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		time.Sleep(time.Second)
		talk(t, a, b)
		old := a.socket.Local()
		moved := newMachine(t, l, "10.0.0.3", Config{}).open(Options{})
		<-moved.socket.Gathered()
		offer := moved.socket.Local()
		if err := b.socket.Heed(offer); err != nil {
			t.Fatal(err)
		}
		<-b.socket.Gathered()
		answer := b.socket.Local()
		if answer.Same(old) || answer.Ufrag == "" {
			t.Errorf("answered with %q as before", answer.Ufrag)
		}
		talk(t, a, b)
		if err := b.socket.Start(offer, false, true); err != nil {
			t.Fatal(err)
		}
		talk(t, a, b)
		if err := moved.socket.Start(answer, true, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		talk(t, moved, b)
		if s := b.flow.Stats(); s.Remote.Addr() != moved.addr {
			t.Errorf("b sends to %v", s.Remote)
		}
		b.socket.mu.Lock()
		defer b.socket.mu.Unlock()
		if b.socket.next != nil {
			t.Error("the session before is still there")
		}
	})
}

// We begin anew, since the party is elsewhere; an offer of that kind which nobody
// answers is forgotten.
func TestAnew(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		time.Sleep(time.Second)
		first := b.socket.Local()
		if err := b.socket.Anew(); err != nil {
			t.Fatal(err)
		}
		if b.socket.Local().Same(first) {
			t.Error("nothing began anew")
		}
		if err := b.socket.Heed(a.socket.Local()); err != nil || !b.socket.Local().Same(first) {
			t.Errorf("an offer that came to nothing is not forgotten (%v)", err)
		}
		moved := newMachine(t, l, "10.0.0.3", Config{}).open(Options{})
		moved.socket.Single()
		if err := b.socket.Anew(); err != nil {
			t.Fatal(err)
		}
		offer, answer := b.socket.Local(), moved.socket.Local()
		if err := moved.socket.Start(offer, false, true); err != nil {
			t.Fatal(err)
		}
		talk(t, a, b)
		if err := b.socket.Start(answer, false, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		talk(t, moved, b)
	})
}

// A restart that finds nothing changes nothing.
func TestRestartThatFails(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		time.Sleep(time.Second)
		anew := &media.ICE{Ufrag: "other", Pwd: secret(pwdLength)}
		if err := b.socket.Heed(anew); err != nil {
			t.Fatal(err)
		}
		if err := b.socket.Start(anew, false, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		talk(t, a, b)
		if len(b.failure) > 0 {
			t.Error(<-b.failure)
		}
	})
}

func TestNothingAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		l.firewall = func(netip.AddrPort, netip.AddrPort) bool { return true }
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		want := "10.0.0.2:" // and its port
		select {
		case v := <-a.failure:
			for _, part := range []string{"no way to the phone was found in 30 s", want, "did not answer", "TURN server would help"} {
				if !strings.Contains(v, part) {
					t.Errorf("%q does not say %q", v, part)
				}
			}
		case <-time.After(40 * time.Second):
			t.Error("no verdict in 40 s")
		}
		a.say("lost")
		if s := a.flow.Stats(); s.Discarded.Unsent == 0 {
			t.Error("media is sent though nobody was found")
		}
	})
}

// What goes one way only is told apart from what goes neither.
func TestAnswersAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		l.firewall = func(from, _ netip.AddrPort) bool { return from.Addr() == a.addr }
		join(t, a, b, true)
		if v := <-a.failure; !strings.Contains(v, "its checks arrive from 10.0.0.2") {
			t.Error(v)
		}
	})
}

// A party that does not answer any more, as when its NAT gives it another port, is
// found by its media, as without ICE; when it answers again, by ICE.
func TestPartyElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		time.Sleep(time.Second)
		talk(t, a, b)
		b.flow.Configure(media.Remote{Direction: media.SendRecv, Formats: []codec.Format{mulaw}, Hosts: []netip.Addr{a.addr}})
		cut := func(on bool) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.firewall = nil
			if on {
				l.firewall = func(from, to netip.AddrPort) bool { return from.Port() == a.flow.Port() || to.Port() == a.flow.Port() }
			}
		}
		cut(true)
		nat := &wire{lan: l, addr: a.addr, port: 5000}
		nat.in[0], nat.in[1] = make(chan letter, 1000), make(chan letter, 1)
		l.mu.Lock()
		l.ports[netip.AddrPortFrom(nat.addr, nat.port)] = nat
		l.mu.Unlock()
		packet := append([]byte{0x80, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 7}, "moved"...)
		to := netip.AddrPortFrom(b.addr, b.flow.Port())
		_ = nat.Send(false, packet, to)
		synctest.Wait()
		if len(b.heard) > 0 {
			t.Error("who has not the password is heard, though the party is there")
		}
		time.Sleep(10 * time.Second)
		_ = nat.Send(false, packet, to)
		hears(t, b, "moved")
		b.say("found")
		synctest.Wait()
		if got := <-nat.in[0]; !strings.HasSuffix(string(got.b), "found") {
			t.Errorf("sent %x", got.b)
		}
		cut(false)
		time.Sleep(10 * time.Second)
		talk(t, a, b)
	})
}

// Consent that runs out is told.
func TestConsentRunsOut(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		time.Sleep(time.Second)
		l.mu.Lock()
		l.firewall = func(netip.AddrPort, netip.AddrPort) bool { return true }
		l.mu.Unlock()
		if v := <-a.failure; !strings.Contains(v, "the way to the phone is gone") {
			t.Error(v)
		}
	})
}

// A party whose answer has no ICE is found as without: by what it sends.
func TestOff(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		for p, to := range map[*party]*party{a: b, b: a} {
			p.socket.Off()
			p.flow.Configure(media.Remote{
				RTP: netip.AddrPortFrom(to.addr, to.flow.Port()), Direction: media.SendRecv, Formats: []codec.Format{mulaw},
			})
		}
		talk(t, a, b)
	})
}

// Who has not the password is not answered, is not heard, and costs little.
func TestStrangers(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		time.Sleep(time.Second)
		talk(t, a, b)
		evil := &wire{lan: l, addr: netip.MustParseAddr("10.6.6.6"), port: 666}
		evil.in[0], evil.in[1] = make(chan letter, 1000), make(chan letter, 1)
		l.mu.Lock()
		l.ports[netip.AddrPortFrom(evil.addr, evil.port)] = evil
		l.mu.Unlock()
		to := netip.AddrPortFrom(a.addr, a.flow.Port())
		ufrag := a.socket.Local().Ufrag
		for _, m := range [][]byte{
			check("nobody:stranger", secret(pwdLength)),
			check(ufrag+":stranger", secret(pwdLength)),
			check(ufrag, secret(pwdLength)),
			stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw,
			stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw,
			stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)).Raw,
			append([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7}, "evil"...),
		} {
			for range 100 {
				_ = evil.Send(false, m, to)
			}
			synctest.Wait()
		}
		if len(evil.in[0]) > 0 {
			t.Errorf("%d answers to a stranger", len(evil.in[0]))
		}
		if len(a.heard) > 0 {
			t.Error("the stranger is heard")
		}
		talk(t, a, b)
	})
}

// check is a request as a party sends it.
func check(user, password string) []byte {
	return stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(user),
		stun.NewShortTermIntegrity(password), stun.Fingerprint).Raw
}

// A process that was killed goes on with the same passwords: media flows at
// once.
func TestResumed(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		join(t, a, b, true)
		time.Sleep(time.Second)
		talk(t, a, b)
		local, remote, state := a.socket.Local(), b.socket.Local(), a.flow.State()
		a.flow.Close()
		m := newMachine(t, l, "10.0.0.1", Config{})
		m.engine, m.port = a.engine, state.Port
		again := m.open(Options{Ufrag: local.Ufrag, Pwd: local.Pwd})
		again.socket.Adopt()
		if err := again.socket.Start(remote, true, true); err != nil {
			t.Fatal(err)
		}
		again.flow.Restore(state)
		again.say("at once")
		hears(t, b, "at once")
		time.Sleep(time.Minute)
		talk(t, again, b)
	})
}

// A party that had finished before the restart checks nothing any more: its media is
// followed, for ever.
func TestResumedWithoutChecks(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}).open(Options{}), newMachine(t, l, "10.0.0.2", Config{}).open(Options{})
		for p, to := range map[*party]*party{a: b, b: a} {
			at := netip.AddrPortFrom(to.addr, to.flow.Port())
			p.flow.Configure(media.Remote{RTP: at, Direction: media.SendRecv, Formats: []codec.Format{mulaw}})
			if p == b {
				p.socket.Off()
				continue
			}
			if err := p.socket.Start(&media.ICE{Ufrag: "gone", Pwd: secret(pwdLength)}, false, true); err != nil {
				t.Fatal(err)
			}
			p.socket.Adopt()
		}
		for range 5 {
			talk(t, a, b)
			time.Sleep(20 * time.Second)
		}
		if len(a.failure) > 0 {
			t.Error(<-a.failure)
		}
	})
}

// Everything ends with the flow, however far it is.
func TestClosing(t *testing.T) {
	bubble(t, func(t *testing.T, l *lan) {
		a, b := newMachine(t, l, "10.0.0.1", Config{}), newMachine(t, l, "10.0.0.2", Config{})
		for i := range 4 {
			x, y := a.open(Options{}), b.open(Options{})
			if i > 0 {
				join(t, x, y, i > 1)
			}
			time.Sleep(time.Duration(i/2) * time.Second)
			x.flow.Close()
			y.flow.Close()
			if x.socket.Heed(&media.ICE{Ufrag: "x"}) != nil || x.socket.Start(&media.ICE{}, true, true) != nil {
				t.Error("a closed socket complains")
			}
			<-x.socket.Gathered()
		}
	})
}

func FuzzAddressee(f *testing.F) {
	f.Add(check("we:they", "password"))
	f.Add(stun.MustBuild(stun.BindingRequest).Raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if !isSTUN(b) {
			return
		}
		name := addressee(b)
		m := &stun.Message{Raw: b}
		if m.Decode() != nil {
			return
		}
		var user stun.Username
		_ = user.GetFrom(m)
		want, _, cut := strings.Cut(string(user), ":")
		if !cut {
			want = ""
		}
		if string(name) != want {
			t.Errorf("%q, pion says %q", name, user)
		}
	})
}
