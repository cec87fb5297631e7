package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"tincan/phone/directory"
)

// instanceOf makes the Contact of a device that names itself.
func (p *phone) instanceOf(name, params string) string {
	return fmt.Sprintf("Contact: <sip:%s@%s>;+sip.instance=\"<urn:uuid:%s>\"%s", p.number, p.addr(), name, params)
}

// silent checks that nothing has come to a phone.
func (p *phone) silent() {
	p.t.Helper()
	if m := p.read(200 * time.Millisecond); m != nil {
		p.t.Errorf("%s is sent %v", p.number, m)
	}
}

// A phone with two flows rings once, by the younger; when that fails by the other
// (RFC 5626).
func TestTwoFlowsAreOneDevice(t *testing.T) {
	l := newLab(t)
	a, one, two := l.phone("101"), l.phone("103"), l.phone("103")
	l.setCodecs("103", "pcmu", "pcma")
	one.register(one.instanceOf("same", ";reg-id=1"), "Supported: path, outbound")
	ok := two.register(two.instanceOf("same", ";reg-id=2"), "Supported: path, outbound")
	if header(ok, "Require") != "outbound" || header(ok, "Flow-Timer") == "" || len(contacts(ok)) != 2 {
		t.Errorf("answered\n%s", ok)
	}
	d := a.invite("103", a.offer())
	in := two.expect("INVITE")
	one.silent()
	two.answer(in, 430, "t", "")
	two.expect("ACK")
	again := one.expect("INVITE")
	one.answer(again, 200, "o", one.offer())
	one.expect("ACK")
	answer := a.expect("200")
	a.send("ACK", target(answer), d.within(answer), "")
	a.send("BYE", target(answer), d.within(answer).next(), "")
	one.answer(one.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// Requests to a phone that registered through proxies go by its Path (RFC 3327).
func TestPath(t *testing.T) {
	l := newLab(t)
	a, proxy := l.phone("101"), l.phone("103")
	l.setCodecs("103", "pcmu", "pcma")
	const outer, inner = "<sip:edge@192.0.2.7;lr>", "<sip:inner@192.0.2.8;lr>"
	ok := proxy.register("Contact: <sip:103@10.9.9.9>", "Path: "+outer+", "+inner, "Supported: path")
	if h := ok.GetHeaders("Path"); len(h) == 0 || !strings.Contains(h[0].Value(), "edge") {
		t.Errorf("answered\n%s", ok)
	}
	a.invite("103", a.offer())
	in := proxy.expect("INVITE")
	var routes []string
	for _, h := range in.GetHeaders("Route") {
		routes = append(routes, h.Value())
	}
	if got := strings.Join(routes, ", "); got != outer+", "+inner {
		t.Errorf("Route %s", got)
	}
	if first, _, _ := strings.Cut(in.String(), "\r\n"); first != "INVITE sip:103@10.9.9.9 SIP/2.0" {
		t.Errorf("asked with %q", first)
	}
	proxy.answer(in, 486, "t", "")
	a.expect("486")
	if proxy.expect("ACK").GetHeaders("Route") == nil {
		t.Error("the ACK forgets the way")
	}
}

// A phone is told its own addresses, each of which calls it alone (RFC 5627).
func TestGRUU(t *testing.T) {
	l := newLab(t)
	a, one, two := l.phone("101"), l.phone("103"), l.phone("103")
	l.setCodecs("103", "pcmu", "pcma")
	two.register(two.instanceOf("two", ""))
	ok := one.register(one.instanceOf("one", ""), "Supported: gruu")
	var addresses []string
	for _, c := range contacts(ok) {
		if !strings.Contains(c, "uuid:one") {
			continue
		}
		for _, name := range []string{"pub-gruu", "temp-gruu"} {
			_, rest, found := strings.Cut(c, name+"=\"")
			address, _, _ := strings.Cut(rest, "\"")
			if !found {
				t.Fatalf("no %s in %s", name, c)
			}
			addresses = append(addresses, address)
		}
	}
	if strings.Contains(addresses[1], "103@") || strings.Contains(addresses[1], "uuid") {
		t.Errorf("the temporary address says who it is: %s", addresses[1])
	}
	for _, address := range addresses {
		if !strings.Contains(address, "@"+l.udp.String()) {
			t.Errorf("who has %s alone does not find us", address)
		}
		a.inviteTo(address, a.offer())
		in := one.expect("INVITE")
		one.answer(in, 486, "t", "")
		a.expect("486")
		one.expect("ACK")
	}
	two.silent()
	a.inviteTo("sip:103@tincan;gr=urn:uuid:nobody", a.offer())
	a.expect("480")
	a.inviteTo("sip:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@tincan;gr", a.offer())
	a.expect("404")
}

// A phone that registers from elsewhere within a call is heard there.
func TestPhoneMovesWithinACall(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("103")
	l.setCodecs("103", "pcmu", "pcma")
	as := a.socket()
	b.socket()
	b.register(b.instanceOf("b", ""))
	_, bd, _, bt, answer := talking(a, b)
	moved := l.phone("103")
	bs := moved.socket()
	moved.register(moved.instanceOf("b", ""))
	re := moved.expect("INVITE")
	moved.answer(re, 200, tagOf(re), moved.offer())
	moved.expect("ACK")
	hears(t, as, answer, bs)
	moved.send("BYE", bt, bd, "")
	a.answer(a.expect("BYE"), 200, "", "")
	moved.expect("200")
	l.idle()
}

// A phone keeps its NAT open by STUN on the SIP port; strangers get nothing.
func TestSTUNKeepAlive(t *testing.T) {
	l := newLab(t)
	a, stranger := l.phone("101"), l.phone("666")
	a.register()
	ask := func(p *phone) (*stun.Message, bool) {
		m := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
		if _, err := p.conn.WriteToUDPAddrPort(m.Raw, l.udp); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1500)
		_ = p.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := p.conn.Read(b)
		if err != nil {
			return nil, false
		}
		res := &stun.Message{Raw: b[:n]}
		if err := res.Decode(); err != nil || res.TransactionID != m.TransactionID {
			t.Errorf("answered % x: %v", b[:n], err)
		}
		return res, true
	}
	res, ok := ask(a)
	if !ok {
		t.Fatal("no answer to a phone")
	}
	var at stun.XORMappedAddress
	if err := at.GetFrom(res); err != nil || at.Port != int(a.addr().Port()) {
		t.Errorf("told %v, %v", at, err)
	}
	if _, ok := ask(stranger); ok {
		t.Error("a stranger is answered")
	}
}

// waker is a push service that tells the test.
type waker chan string

func (w waker) Providers() []string { return []string{"fcm"} }

func (w waker) Wake(extension string, t PushTarget) { w <- extension + " " + t.ID }

// A phone that sleeps is woken, and called where it registers then (RFC 8599).
func TestPush(t *testing.T) {
	l := newLab(t)
	woken := make(waker, 1)
	l.sip.cfg.Push = woken
	l.setCodecs("103", "pcmu", "pcma")
	a, b := l.phone("101"), l.phone("103")
	asleep := func(p *phone) string {
		return "Contact: <sip:103@" + p.addr().String() + ";pn-provider=fcm;pn-prid=abc;pn-param=x>;+sip.instance=\"<urn:uuid:app>\""
	}
	ok := b.register(asleep(b))
	if !strings.Contains(header(ok, "Feature-Caps"), "fcm") {
		t.Errorf("answered\n%s", ok)
	}
	d := a.invite("103", a.offer())
	if got := <-woken; got != "103 abc" {
		t.Errorf("woken: %s", got)
	}
	b.silent()
	awake := l.phone("103")
	awake.register(asleep(awake))
	in := awake.expect("INVITE")
	awake.answer(in, 200, "t", awake.offer())
	awake.expect("ACK")
	answer := a.expect("200")
	if strings.Contains(answer.String(), "pn-") {
		t.Error("the caller is told of the push service")
	}
	a.send("ACK", target(answer), d.within(answer), "")
	a.send("BYE", target(answer), d.within(answer).next(), "")
	awake.answer(awake.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

func TestFlowsAreGrouped(t *testing.T) {
	now := time.Now()
	binding := func(instance string, id int, age time.Duration, contact string) directory.Binding {
		return directory.Binding{
			Instance: instance, RegID: id, Contact: contact, Updated: now.Add(-age), Expires: now.Add(time.Hour),
			Received: netip.MustParseAddrPort("192.0.2.1:5060"),
		}
	}
	gone := binding("<a>", 3, 0, "gone")
	gone.Expires = now
	var got []string
	for _, d := range flows([]directory.Binding{
		binding("<a>", 1, time.Minute, "a1"), binding("", 0, 0, "plain"), binding("<a>", 2, time.Second, "a2"),
		binding("<b>", 0, 0, "b"), binding("", 0, 0, "other"), gone,
	}, now, "", func(*directory.Binding, time.Time) bool { return false }) {
		var one []string
		for _, b := range d {
			one = append(one, b.Contact)
		}
		got = append(got, strings.Join(one, " "))
	}
	if text := strings.Join(got, ", "); text != "a2 a1, plain, b, other" {
		t.Errorf("grouped as %s", text)
	}
}

// A phone on IPv6 and one on IPv4 hear each other.
func TestBothFamilies(t *testing.T) {
	l := newLab(t)
	six, err := l.sip.Listen("udp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	a, b := l.phone("101"), l.phoneAt("103", "::1")
	l.setCodecs("103", "pcmu", "pcma")
	b.other = six
	as, bs := a.socket(), b.socket()
	b.register()
	ad, _, at, _, answer := talking(a, b)
	hears(t, as, answer, bs)
	a.send("BYE", at, ad.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}
