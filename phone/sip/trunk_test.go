package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"
	"github.com/google/go-cmp/cmp"
	"github.com/icholy/digest"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/resolve/dnstest"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/secret"
	"tincan/store"
)

// trunk adds a trunk and gives it as it is now.
func (l *lab) trunk(f directory.TrunkForm) *directory.Trunk {
	l.t.Helper()
	box, err := secret.Open(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	if text, where := (directory.Trunks{}).Secret(&f); text != nil {
		*text = box.Seal([]byte(*text), where)
	}
	err = l.store.Update(l.t.Context(), func(tx *store.Tx) error {
		return directory.Trunks{}.Write(tx, []directory.TrunkForm{f}, nil)
	})
	if err == nil {
		err = l.dirs.Reload(l.t.Context())
	}
	if err != nil {
		l.t.Fatal(err)
	}
	t, _ := l.dirs.Snapshot().Trunk(f.Name)
	return t
}

// challenge refuses a request until it has credentials.
func (p *phone) challenge(req wire.Message, code int, nonce, more string) {
	p.t.Helper()
	name := "WWW-Authenticate"
	if code == 407 {
		name = "Proxy-Authenticate"
	}
	p.answer(req, code, "ct", "", name+`: Digest realm="carrier", nonce="`+nonce+`", qop="auth", algorithm=MD5`+more)
}

// proof gives the credentials of a request if they are right.
func (p *phone) proof(req wire.Message, password string) *digest.Credentials {
	p.t.Helper()
	given := append(req.GetHeaders("Authorization"), req.GetHeaders("Proxy-Authorization")...)
	if len(given) == 0 {
		return nil
	}
	c, err := digest.ParseCredentials(given[0].Value())
	if err != nil {
		p.t.Fatal(err)
	}
	want, err := digest.Digest(&digest.Challenge{Realm: c.Realm, Nonce: c.Nonce, QOP: []string{"auth"}, Algorithm: c.Algorithm}, digest.Options{
		Method: string(req.(*wire.Request).Method), URI: c.URI, Count: c.Nc, Cnonce: c.Cnonce, Username: c.Username, Password: password,
	})
	if err != nil || want.Response != c.Response {
		p.t.Errorf("wrong credentials %v (%v)", c, err)
	}
	return c
}

// A carrier challenges INVITE, re-INVITE and BYE; the ACK carries what its INVITE
// carried, and no request is sent a third time.
func TestTrunkProvesItself(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Username: "acc", AuthUsername: "auth@x", Secret: "pw", CallerID: "pai"})
	a := l.phone("101")
	a.register()
	d := a.invite("9000", a.offer())
	in := carrier.expect("INVITE")
	if carrier.proof(in, "pw") != nil {
		t.Error("credentials for nobody who asked")
	}
	carrier.challenge(in, 407, "n1", "")
	carrier.expect("ACK")
	in = carrier.expect("INVITE")
	c := carrier.proof(in, "pw")
	if c == nil || c.Username != "auth@x" || c.Nc != 1 || in.CSeq().SeqNo != 2 || len(in.GetHeaders("Proxy-Authorization")) != 1 {
		t.Fatalf("second INVITE:\n%s", in)
	}
	carrier.answer(in, 200, "ct", carrier.offer())
	ack := carrier.expect("ACK")
	if d := cmp.Diff(in.GetHeaders("Proxy-Authorization")[0].Value(), carrier.header(ack, "Proxy-Authorization")); d != "" || ack.CSeq().SeqNo != 2 {
		t.Errorf("the ACK does not carry the INVITE's credentials: %s", d)
	}
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	standing := l.calls.Snapshots()
	if len(standing) != 1 {
		t.Fatal(standing)
	}
	// A re-INVITE of ours: the nonce goes on, has gone stale, and is renewed.
	leg := l.legOf("trunk:out")
	leg.mu.Lock()
	leg.reoffer(leg.ours, func(res *wire.Response, err error) {
		if err != nil || !res.IsSuccess() {
			t.Errorf("re-INVITE: %v %v", res, err)
		}
	})
	leg.mu.Unlock()
	re := carrier.expect("INVITE")
	if c := carrier.proof(re, "pw"); c == nil || c.Nc != 2 {
		t.Errorf("re-INVITE:\n%s", re)
	}
	carrier.challenge(re, 407, "n2", ", stale=true")
	carrier.expect("ACK")
	re = carrier.expect("INVITE")
	if c := carrier.proof(re, "pw"); c == nil || c.Nc != 1 || c.Nonce != "n2" {
		t.Errorf("re-INVITE:\n%s", re)
	}
	carrier.answer(re, 200, "", carrier.offer())
	if ack := carrier.expect("ACK"); ack.CSeq().SeqNo != re.CSeq().SeqNo {
		t.Errorf("ACK of %v for %v", ack.CSeq(), re.CSeq())
	}
	a.send("BYE", target(ok), d.next(), "")
	a.expect("200")
	bye := carrier.expect("BYE")
	carrier.challenge(bye, 401, "n3", "")
	bye = carrier.expect("BYE")
	if carrier.proof(bye, "pw") == nil {
		t.Errorf("BYE:\n%s", bye)
	}
	carrier.answer(bye, 200, "", "")
	l.idle()
	if k := l.sip.links.all["out"]; k.in+k.out != 0 {
		t.Errorf("%d calls in, %d out are left", k.in, k.out)
	}
}

func (p *phone) header(m wire.Message, name string) string {
	p.t.Helper()
	h := m.GetHeaders(name)
	if len(h) != 1 {
		p.t.Fatalf("%d %s headers in\n%s", len(h), name, m)
	}
	return h[0].Value()
}

// legOf gives the leg of a party.
func (l *lab) legOf(party string) *leg {
	l.t.Helper()
	l.sip.mu.Lock()
	defer l.sip.mu.Unlock()
	for _, x := range l.sip.legs {
		if x.party == party {
			return x
		}
	}
	l.t.Fatalf("no leg of %s", party)
	return nil
}

func TestWrongPasswordIsSaidOnce(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Username: "acc", Secret: "old"})
	a := l.phone("101")
	a.register()
	a.invite("9000", a.offer())
	for i := range 2 {
		in := carrier.expect("INVITE")
		carrier.challenge(in, 401, fmt.Sprint("n", i), "")
		carrier.expect("ACK")
	}
	res := a.expect("503")
	if why := carrier.header(res, "Reason"); !strings.Contains(why, "trunk out: the other side does not take this username and password") {
		t.Error(why)
	}
	l.idle()
	if m := carrier.read(4 * quick.T1); m != nil {
		t.Errorf("one more: %s", m)
	}
}

func TestChallengedWithoutAnAccount(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String()})
	a := l.phone("101")
	a.register()
	a.invite("9000", a.offer())
	carrier.challenge(carrier.expect("INVITE"), 407, "n", "")
	carrier.expect("ACK")
	if why := a.header(a.expect("503"), "Reason"); !strings.Contains(why, "give it username and secret") {
		t.Error(why)
	}
	l.idle()
}

// A trunk by name: the first target refuses, or is dead; the second takes the
// call, and the next call goes there at once.
func TestFailOver(t *testing.T) {
	for _, how := range []string{"503", "silent", "closed"} {
		t.Run(how, func(t *testing.T) {
			l := newLab(t)
			first, second := l.phone("first"), l.phone("second")
			proto := "udp"
			dns := dnstest.Start(
				t, fmt.Sprintf("_sip._udp.carrier.test. 60 IN SRV 1 0 %d a.test.", first.addr().Port()),
				fmt.Sprintf("_sip._udp.carrier.test. 60 IN SRV 2 0 %d a.test.", second.addr().Port()), "a.test. 60 IN A 127.0.0.1",
			)
			if how == "closed" { // the connection is refused
				dns.Set(t, "carrier.test. 60 IN NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.carrier.test.",
					"carrier.test. 60 IN NAPTR 2 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.carrier.test.",
					"_sip._tcp.carrier.test. 60 IN SRV 1 0 1 a.test.",
					fmt.Sprintf("_sip._udp.carrier.test. 60 IN SRV 1 0 %d a.test.", second.addr().Port()), "a.test. 60 IN A 127.0.0.1")
				proto = ""
			}
			l.sip.resolver = resolve.New(resolve.Config{Servers: []string{dns.Addr}})
			l.trunk(directory.TrunkForm{Name: "out", Address: "carrier.test", Transport: proto})
			a := l.phone("101")
			a.register()
			for range 2 {
				d := a.invite("9000", a.offer())
				if how == "503" && !l.sip.health.Down(resolve.Target{Protocol: "udp", Addr: first.addr()}) {
					first.answer(first.expect("INVITE"), 503, "x", "", "Retry-After: 60")
				}
				in := second.expect("INVITE")
				if uri := in.(*wire.Request).Recipient.String(); uri != "sip:9000@carrier.test" {
					t.Errorf("Request-URI %s", uri)
				}
				second.answer(in, 486, "y", "")
				a.send("ACK", "sip:9000@tincan", dlg{d.callID, d.from, tagOf(a.expect("486")), d.branch, 2}, "")
			}
			l.idle()
		})
	}
}

// A target that was given up for its silence and answers after all is told that
// nobody wants it any more.
func TestAnswerAfterFailOver(t *testing.T) {
	l := newLab(t)
	first, second := l.phone("first"), l.phone("second")
	dns := dnstest.Start(
		t, fmt.Sprintf("_sip._udp.carrier.test. 60 IN SRV 1 0 %d a.test.", first.addr().Port()),
		fmt.Sprintf("_sip._udp.carrier.test. 60 IN SRV 2 0 %d a.test.", second.addr().Port()), "a.test. 60 IN A 127.0.0.1",
	)
	l.sip.resolver = resolve.New(resolve.Config{Servers: []string{dns.Addr}})
	l.trunk(directory.TrunkForm{Name: "out", Address: "carrier.test", Transport: "udp"})
	a := l.phone("101")
	a.register()
	d := a.invite("9000", a.offer())
	slow := first.expect("INVITE")
	in := second.expect("INVITE")
	second.answer(in, 180, "y", "")
	a.expect("180")
	first.answer(slow, 200, "x", first.offer())
	first.expect("ACK")
	first.answer(first.expect("BYE"), 200, "", "")
	second.answer(in, 200, "y", second.offer())
	second.expect("ACK")
	ok := a.expect("200")
	a.send("ACK", target(ok), d.within(ok), "")
	a.send("BYE", target(ok), d.within(ok).next(), "")
	a.expect("200")
	second.answer(second.expect("BYE"), 200, "", "")
	l.idle()
}

func TestTrunkLimit(t *testing.T) {
	l := newLab(t)
	carrier := l.phoneAt("carrier", "127.0.0.3")
	l.trunk(directory.TrunkForm{Name: "out", Address: carrier.addr().String(), Match: []string{"127.0.0.3"}, Limit: 1})
	a := l.phone("101")
	a.register()
	d := a.invite("9000", a.offer())
	in := carrier.expect("INVITE")
	carrier.answer(in, 180, "x", "")
	a.expect("180")
	a.invite("9000", a.offer())
	if why := a.header(a.expect("486"), "Reason"); !strings.Contains(why, "trunk out has the 1 calls that it may have at once") {
		t.Error(why)
	}
	carrier.send("INVITE", "sip:101@tincan", dlg{callID: "in", from: "f", seq: 1}, carrier.offer())
	res := carrier.expect("486")
	carrier.send("ACK", "sip:101@tincan", dlg{"in", "f", tagOf(res), viaBranch(res), 1}, "")
	a.send("CANCEL", "sip:9000@tincan", d, "")
	carrier.answer(carrier.expect("CANCEL"), 200, "x", "")
	carrier.answer(in, 487, "x", "")
	a.expect("487")
	l.idle()
	if k := l.sip.links.all["out"]; k.in+k.out != 0 {
		t.Errorf("%d in, %d out", k.in, k.out)
	}
}

// shown gives what a trunk is told of a caller.
func shown(m wire.Message) string {
	out := []string{"From " + m.From().Value()}
	out[0], _, _ = strings.Cut(out[0], ";tag")
	for _, name := range []string{"P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy"} {
		for _, h := range m.GetHeaders(name) {
			out = append(out, name+" "+h.Value())
		}
	}
	return strings.Join(out, "\n")
}

func TestCallerIsShown(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		form  directory.TrunkForm
		extra string
		want  string
	}{
		"from":           {directory.TrunkForm{}, "", `From "Phone 101" <sip:101@127.0.0.1>`},
		"account's from": {directory.TrunkForm{Username: "acc", Secret: "x", Domain: "d.test", Number: "+49301"}, "", `From "Phone 101" <sip:+49301@d.test>`},
		"pai":            {directory.TrunkForm{Username: "acc", Secret: "x", Domain: "d.test", CallerID: "pai"}, "", "From \"Phone 101\" <sip:acc@d.test>\nP-Asserted-Identity \"Phone 101\" <sip:101@d.test>"},
		"ppi, tel":       {directory.TrunkForm{Username: "acc", Secret: "x", Domain: "d.test", CallerID: "ppi", Number: "+49301", URI: "tel"}, "", "From \"Phone 101\" <sip:acc@d.test>\nP-Preferred-Identity \"Phone 101\" <tel:+49301>"},
		"rpid, hidden": {
			directory.TrunkForm{Username: "acc", Secret: "x", Domain: "d.test", CallerID: "rpid", Privacy: &yes},
			"",
			"From \"Anonymous\" <sip:acc@d.test>\nRemote-Party-ID \"Phone 101\" <sip:101@d.test>;party=calling;screen=yes;privacy=full\nPrivacy id",
		},
		"a phone that hides": {directory.TrunkForm{}, "Privacy: id", "From \"Anonymous\" <sip:anonymous@anonymous.invalid>\nPrivacy id"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			carrier := l.phone("carrier")
			c.form.Name, c.form.Address = "out", carrier.addr().String()
			l.trunk(c.form)
			a := l.phone("101")
			a.register()
			var extra []string
			if c.extra != "" {
				extra = append(extra, c.extra)
			}
			a.invite("9000", a.offer(), extra...)
			in := carrier.expect("INVITE")
			if d := cmp.Diff(c.want, shown(in)); d != "" {
				t.Error(d)
			}
			carrier.answer(in, 486, "x", "")
			a.expect("486")
		})
	}
}

// Whom a trunk's call is from and for.
func TestTrunkCallsIn(t *testing.T) {
	yes := true
	l := newLab(t)
	for _, f := range []directory.TrunkForm{
		{Name: "plain", Address: "h", Match: []string{"127.0.0.3"}},
		{Name: "to", Address: "h", Match: []string{"127.0.0.4"}, NumberFrom: "to", TrustIdentity: &yes},
		{Name: "called", Address: "h", Match: []string{"127.0.0.5"}, NumberFrom: "p-called-party-id"},
		{Name: "token", Address: "h", Register: &yes, Username: "u", Secret: "x"},
	} {
		l.trunk(f)
	}
	token, _ := l.dirs.Snapshot().Trunk("token")
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		from, uri, to string
		extra         string
		who           call.Party
		dialled       string
	}{
		"request":  {"127.0.0.3:1", "sip:101@h", "sip:9@h", "P-Asserted-Identity: <sip:666@h>", call.Party{Ref: "trunk:plain", Number: "carrier"}, "101"},
		"tel":      {"127.0.0.3:1", "tel:+49-30-1", "sip:9@h", "", call.Party{Ref: "trunk:plain", Number: "carrier"}, "+49301"},
		"to":       {"127.0.0.4:1", "sip:101@h", "tel:9", "P-Asserted-Identity: \"Eve, X\" <tel:+1-2>, <sip:x@y>", call.Party{Ref: "trunk:to", Number: "+12", Name: "Eve, X"}, "9"},
		"rpid":     {"127.0.0.4:1", "sip:101@h", "sip:9@h", "Remote-Party-ID: \"" + long + "\" <sip:7@h>;party=calling", call.Party{Ref: "trunk:to", Number: "7", Name: long[:maxShownName]}, "9"},
		"called":   {"127.0.0.5:1", "sip:101@h", "sip:9@h", "P-Called-Party-ID: <sip:5@h>", call.Party{Ref: "trunk:called", Number: "carrier"}, "5"},
		"uncalled": {"127.0.0.5:1", "sip:101@h", "sip:9@h", "", call.Party{Ref: "trunk:called", Number: "carrier"}, "101"},
		"token":    {"203.0.113.9:1", "sip:" + token.Token + "@h", "sip:9@h", "Privacy: none;id", call.Party{Ref: "trunk:token", Number: "carrier", Private: true}, "9"},
	} {
		p := l.phone("carrier")
		text := p.text("INVITE", c.uri, dlg{callID: "x", from: "f", seq: 1}, "", c.extra)
		text = strings.Replace(text, "To: <"+c.uri+">", "To: <"+c.to+">", 1)
		text = strings.ReplaceAll(text, "\r\n\r\n", "\r\n")
		m, err := wire.ParseMessage([]byte(strings.TrimRight(text, "\r\n") + "\r\n\r\n"))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		req := m.(*wire.Request)
		path := pathFrom(c.from)
		tr, ok := l.sip.trunkOf(req, path)
		if !ok {
			t.Errorf("%s: of no trunk", name)
			continue
		}
		if d := cmp.Diff(c.who, trunkParty(tr, req)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if got := dialled(req, tr); got != c.dialled {
			t.Errorf("%s: dialled %q, want %q", name, got, c.dialled)
		}
	}
}

// Another Tincan registers here and is called there; its calls prove themselves
// by the same account.
func TestTrunkRegistersHere(t *testing.T) {
	l := newLab(t)
	l.trunk(directory.TrunkForm{Name: "out", Accept: "register", Username: "sister", Secret: "pwsister"})
	a, sister := l.phone("101"), l.phone("sister")
	a.register()
	a.invite("9000", a.offer())
	if why := a.header(a.expect("480"), "Reason"); !strings.Contains(why, "trunk out has not registered here") {
		t.Error(why)
	}
	sister.register()
	a.invite("9000", a.offer())
	in := sister.expect("INVITE").(*wire.Request)
	if in.Recipient.User != "sister" || in.To().Address.User != "9000" || !strings.HasPrefix(sister.header(in, "P-Called-Party-ID"), "<sip:9000@") {
		t.Errorf("called by\n%s", in)
	}
	sister.answer(in, 486, "x", "")
	a.expect("486")
	d := sister.invite("101", sister.offer())
	got := a.expect("INVITE")
	if got.From().Address.User != "sister" {
		t.Errorf("from %s", got.From())
	}
	a.answer(got, 486, "x", "")
	res := sister.expect("486")
	sister.send("ACK", "sip:101@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	l.idle()
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]int{"": 0, "120": 120, " 5 (busy);duration=3": 5, "x": 0, "-1": 0} {
		res := transaction.Reply(wire.NewRequest(wire.OPTIONS, wire.Uri{}), 503, "")
		res.AppendHeader(wire.NewHeader("Retry-After", value))
		if got := int(retryAfter(res).Seconds()); got != want {
			t.Errorf("%q is %d s, want %d", value, got, want)
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add(`"Eve, \"X\"" <sip:7@h;user=phone>;party=calling, <tel:+1>`)
	f.Add(`tel:+49-30;phone-context=x`)
	f.Fuzz(func(t *testing.T, value string) {
		u, name, ok := address(value)
		if !ok {
			return
		}
		if n := shownName(name); len([]rune(n)) > maxShownName || strings.ContainsAny(n, "\r\n\x00") {
			t.Errorf("shown %q", n)
		}
		if n := shownNumber(userOf(&u)); len(n) > maxShownNumber || strings.ContainsAny(n, "\r\n") {
			t.Errorf("number %q", n)
		}
	})
}

func pathFrom(text string) (p transport.Path) {
	p.Protocol, p.Remote = transport.UDP, netip.MustParseAddrPort(text)
	return p
}
