package sip

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/event"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/store"
)

// state waits until a trunk is in a state.
func (l *lab) state(name, want string) TrunkStatus {
	l.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		for _, st := range l.sip.Trunks() {
			if st.Name == name && st.State == want {
				return st
			} else if st.Name == name && time.Now().After(deadline) {
				l.t.Fatalf("trunk %s stays %+v, want %s", name, st, want)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func (l *lab) dropTrunk(name string) {
	l.t.Helper()
	err := l.store.Update(l.t.Context(), func(tx *store.Tx) error {
		return directory.Trunks{}.Write(tx, nil, []string{name})
	})
	if err == nil {
		err = l.dirs.Reload(l.t.Context())
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.sip.TrunksChanged()
}

// The whole of a registration: challenge, grant, Service-Route, a call by the
// Contact from elsewhere, a change that keeps it, and goodbye.
func TestRegistersAtATrunk(t *testing.T) {
	l := newLab(t)
	carrier, edge := l.phone("carrier"), l.phone("edge")
	on := true
	form := directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Domain: "carrier.test", Register: &on, Username: "acc", Secret: "pw"}
	trunk := l.trunk(form)
	l.sip.TrunksChanged()
	reg := carrier.expect("REGISTER").(*wire.Request)
	if uri := reg.Recipient.String(); uri != "sip:carrier.test" || reg.To().Address.User != "acc" || reg.Contact().Address.User != trunk.Token {
		t.Errorf("REGISTER %s:\n%s", uri, reg)
	}
	carrier.challenge(reg, 401, "n1", "")
	again := carrier.expect("REGISTER").(*wire.Request)
	if carrier.proof(again, "pw") == nil || again.CSeq().SeqNo != reg.CSeq().SeqNo+1 || *again.CallID() != *reg.CallID() {
		t.Errorf("second REGISTER:\n%s", again)
	}
	carrier.answer(again, 200, "rt", "", "Expires: 300", "Service-Route: <sip:"+edge.addr().String()+";lr>, <sip:core;lr>")
	st := l.state("out", "registered")
	if left := time.Until(st.Next); left < 200*time.Second || left > 245*time.Second || st.Target != "udp "+carrier.addr().String() {
		t.Errorf("%+v", st)
	}

	// Calls out go by the Service-Route.
	a := l.phone("101")
	a.register()
	a.invite("9000", a.offer())
	in := edge.expect("INVITE").(*wire.Request)
	if r := valuesOf(in, "Route"); len(r) != 2 || r[1] != "<sip:core;lr>" || in.Recipient.Host != "127.0.0.1" {
		t.Errorf("INVITE by %v:\n%s", r, in)
	}
	edge.answer(in, 486, "x", "")
	a.expect("486")

	// A call to our Contact from an address nobody has heard of.
	other := l.phoneAt("+49301", "127.0.0.9")
	other.write(strings.Replace(other.text("INVITE", "sip:"+trunk.Token+"@127.0.0.1", dlg{callID: "in", from: "f", seq: 1}, other.offer()),
		"To: <sip:"+trunk.Token+"@127.0.0.1>", "To: <sip:101@carrier.test>", 1))
	got := a.expect("INVITE")
	if got.From().Address.User != "+49301" || l.sip.Trunks()[0].In != 1 {
		t.Errorf("from %s, %+v", got.From(), l.sip.Trunks())
	}
	a.answer(got, 486, "x", "")
	other.expect("486")
	// One that only guesses is a stranger.
	other.send("INVITE", "sip:t"+strings.Repeat("a", 26)+"@127.0.0.1", dlg{callID: "in2", from: "f", seq: 1}, other.offer())
	other.expect("401")

	// A change that has nothing to do with it leaves it alone.
	form.Limit, form.Secret = 3, "pw"
	if kept := l.trunk(form); kept.Token != trunk.Token {
		t.Error("the token has changed")
	}
	l.sip.TrunksChanged()
	l.state("out", "registered")
	l.dropTrunk("out")
	bye := carrier.expect("REGISTER")
	if v := carrier.header(bye, "Expires"); v != "0" || carrier.proof(bye, "pw") == nil {
		t.Errorf("goodbye:\n%s", bye)
	}
	carrier.answer(bye, 200, "rt", "")
}

func TestRegistrationIsRefused(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	told := make(chan event.Trunk, 10)
	sub := l.sip.cfg.Bus.Subscribe(func(e any) {
		if e, ok := e.(event.Trunk); ok {
			told <- e
		}
	})
	defer sub.Close()
	on := true
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Register: &on, Username: "acc", Secret: "wrong"})
	l.sip.TrunksChanged()
	for _, nonce := range []string{"n1", "n2"} {
		carrier.challenge(carrier.expect("REGISTER"), 401, nonce, "")
	}
	st := l.state("out", "refused")
	if st.Error != "the other side does not take this username and password" || time.Until(st.Next) < 50*time.Minute {
		t.Errorf("%+v", st)
	}
	for _, want := range []string{"registering", "refused"} {
		if e := <-told; e.Trunk != "out" || e.State != want {
			t.Errorf("told %+v, want %s", e, want)
		}
	}
	// Another password is tried at once; a 403 says why.
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Register: &on, Username: "acc", Secret: "right"})
	l.sip.TrunksChanged()
	carrier.answer(carrier.expect("REGISTER"), 403, "x", "")
	if st := l.state("out", "refused"); st.Error != "403 X" {
		t.Errorf("%+v", st)
	}
}

// At an end that is meant every registrar is told.
func TestUnregister(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	on := true
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Register: &on, Username: "acc", Secret: "pw"})
	l.sip.TrunksChanged()
	carrier.answer(carrier.expect("REGISTER"), 200, "rt", "", "Expires: 300")
	l.state("out", "registered")
	ended := make(chan struct{})
	go func() {
		l.sip.Unregister(context.Background())
		close(ended)
	}()
	bye := carrier.expect("REGISTER")
	if carrier.header(bye, "Expires") != "0" {
		t.Errorf("goodbye:\n%s", bye)
	}
	carrier.answer(bye, 200, "rt", "")
	<-ended
}

// Between registrations the NAT on the way is kept open; and when our public
// address changes, the registrar hears of it.
func TestRegistrationStaysReachable(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	on := true
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Register: &on, Username: "acc", Secret: "pw"})
	l.sip.TrunksChanged()
	carrier.answer(carrier.expect("REGISTER"), 200, "rt", "", "Expires: 300")
	l.state("out", "registered")
	l.sip.links.tick(time.Now(), keepOpen-1)
	b := make([]byte, 100)
	_ = carrier.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := carrier.conn.Read(b); err != nil || string(b[:n]) != "\r\n\r\n" {
		t.Errorf("kept open by %q, %v", b[:n], err)
	}
	set := *l.sip.settings.Load()
	l.sip.Reconfigure(set) // nothing new
	set.External = netip.MustParseAddr("203.0.113.77")
	l.sip.Reconfigure(set)
	carrier.answer(carrier.expect("REGISTER"), 200, "rt", "", "Expires: 300")
}

// A registrar that closes the connection could not reach us any more.
func TestRegistersAgainWhenTheConnectionEnds(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	on := true
	l.trunk(directory.TrunkForm{Name: "out", Address: ln.Addr().String(), Transport: "tcp", Register: &on, Username: "acc", Secret: "pw"})
	l.sip.TrunksChanged()
	var first string
	for i := range 2 {
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		text, err := transport.Frame(bufio.NewReader(conn))
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.ParseMessage(text)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = string(*m.CallID())
		} else if id := string(*m.CallID()); id != first || m.CSeq().SeqNo != 2 {
			t.Errorf("%s, %v after %s", id, m.CSeq(), first)
		}
		res := transaction.Reply(m.(*wire.Request), 200, "OK")
		res.AppendHeader(wire.NewHeader("Expires", "300"))
		if _, err := conn.Write([]byte(res.String())); err != nil {
			t.Fatal(err)
		}
		l.state("out", "registered")
		_ = conn.Close()
	}
}

func TestQualify(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	every := 5 * time.Second
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Qualify: &every})
	l.sip.TrunksChanged()
	carrier.answer(carrier.expect("OPTIONS"), 404, "x", "")
	if st := l.state("out", "up"); st.Target != "udp "+carrier.addr().String() || st.Error != "" {
		t.Errorf("%+v", st)
	}
	k := l.sip.links.all["out"]
	k.mu.Lock()
	k.probed.next = time.Time{} // it is time again
	k.mu.Unlock()
	carrier.answer(carrier.expect("OPTIONS"), 503, "x", "")
	if st := l.state("out", "down"); !strings.Contains(st.Error, "503 X") {
		t.Errorf("%+v", st)
	}
	k.mu.Lock()
	k.probed.next = time.Time{}
	k.mu.Unlock()
	carrier.expect("OPTIONS") // and nobody answers
	carrier.answer(carrier.expect("OPTIONS"), 200, "x", "")
	l.state("out", "up")
}

// A number in a tel: URI names no host, nor does a domain that is none: TLS to a
// trunk verifies where we were told to go, also when it is opened again mid-call.
func TestHostThatIsVerified(t *testing.T) {
	l := newLab(t)
	for want, f := range map[string]directory.TrunkForm{
		"carrier.test": {Name: "a", Address: "carrier.test", Domain: "other.test", URI: "tel"},
		"edge.test":    {Name: "b", Address: "carrier.test", Proxy: "edge.test:5061"},
	} {
		x := &leg{s: l.sip, uac: true, link: l.sip.links.of(l.trunk(f))}
		if got := x.hostAsked(); got != want {
			t.Errorf("%s: %q, want %q", f.Name, got, want)
		}
	}
}

func FuzzServiceRoute(f *testing.F) {
	f.Add("<sip:a;lr>,,<sip:b>, \"x\\\",\" <sip:c;lr>")
	f.Fuzz(func(t *testing.T, value string) {
		res := wire.NewResponse(200, "OK")
		res.AppendHeader(wire.NewHeader("Service-Route", value))
		got := serviceRoute(res)
		if len(got) > maxServiceRoute {
			t.Fatalf("%d routes", len(got))
		}
		for _, r := range got {
			var u wire.Uri
			if err := parseRoute(r, &u); err != nil || u.Host == "" {
				t.Fatalf("%q: %v", r, err)
			}
		}
	})
}

func TestServiceRoute(t *testing.T) {
	res := wire.NewResponse(200, "OK")
	for _, v := range []string{`<sip:a;lr>, "x, y" <sip:b;lr>,<sip:c,d;lr>`, "rubbish", strings.Repeat("<sip:z;lr>,", 20)} {
		res.AppendHeader(wire.NewHeader("Service-Route", v))
	}
	got := serviceRoute(res)
	if len(got) != maxServiceRoute || got[0] != "<sip:a;lr>" || got[1] != "<sip:c,d;lr>" {
		t.Errorf("%q", got)
	}
}
