package sip

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

const aor = "sip:101@tincan"

func (p *phone) regDlg() dlg {
	p.seq++
	return dlg{callID: "reg-" + p.number + p.addr().String(), from: "r", seq: p.seq}
}

func contacts(m wire.Message) (out []string) {
	for _, h := range m.GetHeaders("Contact") {
		out = append(out, h.Value())
	}
	return out
}

func TestDigestWithBothAlgorithms(t *testing.T) {
	l := newLab(t)
	for number, offered := range map[string][]string{"101": {"MD5"}, "102": {"SHA-256", "MD5"}} {
		a := l.phone(number)
		uri := "sip:" + number + "@tincan"
		for i, alg := range offered {
			a.send("REGISTER", uri, a.regDlg(), "")
			c := a.expect("401")
			list := c.GetHeaders("WWW-Authenticate")
			if len(list) != len(offered) || !strings.Contains(list[i].Value(), "algorithm="+alg+",") {
				t.Errorf("%s is offered %v, want %v", number, list, offered)
			}
			a.send("REGISTER", uri, a.regDlg(), "", a.auth(c, "REGISTER", uri, "pw"+number, 1, alg))
			a.expect("200")
			a.send("REGISTER", uri, a.regDlg(), "", a.auth(c, "REGISTER", uri, "wrong", 2, alg))
			if again := a.expect("401"); strings.Contains(again.String(), "stale=true") {
				t.Error("a wrong secret is not stale")
			}
			a.send("REGISTER", uri, a.regDlg(), "", a.auth(c, "REGISTER", "sip:999@tincan", "pw"+number, 3, alg))
			a.expect("401") // made for another number
		}
	}
	l.idle()
}

// A count may come late by up to 64, but never twice.
func TestNonceCounts(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	a.send("REGISTER", aor, a.regDlg(), "")
	c := a.expect("401")
	for _, step := range []struct {
		nc   int
		want string
	}{{1, "200"}, {5, "200"}, {3, "200"}, {3, "401"}, {1, "401"}, {70, "200"}, {6, "401"}, {7, "200"}, {1000, "200"}, {936, "401"}, {937, "200"}} {
		a.send("REGISTER", aor, a.regDlg(), "", a.auth(c, "REGISTER", aor, "pw101", step.nc, "MD5"))
		res := a.expect(step.want)
		if step.want == "401" && !strings.Contains(res.String(), "stale=true") {
			t.Errorf("nc %d: a right secret with a used count must be told stale=true", step.nc)
		}
	}
	for _, nonce := range []string{"", "AAAA", strings.Repeat("A", 38)} {
		forged := fmt.Sprintf(`Digest realm="tincan", nonce="%s", algorithm=MD5, `, nonce)
		a.send("REGISTER", aor, a.regDlg(), "", credentials(forged, "101", "pw101", "REGISTER", aor, 1, "MD5"))
		a.expect("401")
	}
}

func TestNonceLifetime(t *testing.T) {
	n := newNonces()
	made := time.Now()
	nonce := n.make(made)
	if !n.fresh(nonce, made.Add(nonceTime-time.Second)) || n.fresh(nonce, made.Add(nonceTime)) {
		t.Error("a nonce lives for nonceTime")
	}
	if n.fresh(nonce, made.Add(-time.Minute)) {
		t.Error("a nonce of the future: the clock jumped, ask again")
	}
	if newNonces().fresh(nonce, made) {
		t.Error("a nonce of another process is not ours")
	}
	for range 10 {
		n.use(n.make(made), 1, made)
	}
	n.sweep(made.Add(time.Hour))
	if len(n.used) != 0 {
		t.Errorf("%d nonces kept", len(n.used))
	}
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte{1, 2, 2, 66, 3})
	f.Fuzz(func(t *testing.T, steps []byte) {
		w := window{highest: 100, seen: 1}
		used := map[uint32]bool{100: true}
		highest := uint32(100)
		for _, s := range steps {
			count := highest + uint32(s) - 100
			want := count > highest || highest-count < nonceWindow && !used[count]
			if count > 1<<31 {
				continue
			}
			if got := w.use(count); got != want {
				t.Fatalf("count %d after %d: %v, want %v", count, highest, got, want)
			}
			if want {
				used[count], highest = true, max(highest, count)
			}
		}
	})
}

func TestBindings(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("101")
	contact := func(p *phone) string { return "sip:101@" + p.addr().String() }
	if got := contacts(a.register()); len(got) != 1 || got[0] != "<"+contact(a)+">;expires=3600" {
		t.Errorf("contacts %q", got)
	}
	if got := contacts(b.register("Expires: 120")); len(got) != 2 {
		t.Errorf("contacts %q, want both devices", got)
	}
	// Asking changes nothing; refreshing keeps two.
	d := b.regDlg()
	text := b.text("REGISTER", aor, d, "")
	text = strings.Replace(text, "Contact: <"+contact(b)+">\r\n", "", 1)
	b.write(text)
	c := b.expect("401")
	ask := func(nc int, extra ...string) wire.Message {
		d := b.regDlg()
		text := b.text("REGISTER", aor, d, "", append(extra, b.auth(c, "REGISTER", aor, "pw101", nc, "MD5"))...)
		b.write(strings.Replace(text, "Contact: <"+contact(b)+">\r\n", "", 1))
		return b.read(5 * time.Second)
	}
	if got := contacts(ask(1)); len(got) != 2 {
		t.Errorf("contacts %q, want both devices", got)
	}
	// A phone that says who it is replaces itself when its address changes.
	inst := `;+sip.instance="<urn:uuid:1>";reg-id=1`
	if got := contacts(ask(2, "Contact: <sip:101@10.0.0.1:1>"+inst)); len(got) != 3 {
		t.Errorf("contacts %q", got)
	}
	got := contacts(ask(3, "Contact: <sip:101@10.0.0.1:2>"+inst))
	if len(got) != 3 || !strings.Contains(strings.Join(got, " "), `10.0.0.1:2>;expires=3600;+sip.instance="<urn:uuid:1>";reg-id=1`) {
		t.Errorf("contacts %q", got)
	}
	if res := ask(4, "Contact: <sip:101@10.0.0.9:1>;expires=10"); !begins(res, "423") || header(res, "Min-Expires") != "60" {
		t.Error(res)
	}
	if res := ask(5, "Contact: <sip:101@10.0.0.9:1>;expires=1000000"); !strings.Contains(res.String(), "10.0.0.9:1>;expires=3600") {
		t.Error(res)
	}
	if res := ask(6, "Contact: <sip:101@10.0.0.9:1>", "Expires: x"); !strings.Contains(res.String(), "10.0.0.9:1>;expires=3600") {
		t.Error(res)
	}
	if res := ask(7, "Contact: *", "Expires: 5"); !begins(res, "400") {
		t.Error(res)
	}
	if got := contacts(ask(8, "Contact: <sip:101@10.0.0.9:1>;expires=0")); len(got) != 3 {
		t.Errorf("contacts %q", got)
	}
	if got := contacts(ask(9, "Contact: *", "Expires: 0")); len(got) != 0 {
		t.Errorf("contacts %q, want none", got)
	}
	for i := range 10 {
		ask(10+i, fmt.Sprintf("Contact: <sip:101@10.0.0.%d:1>", i))
	}
	if res := ask(30, "Contact: <sip:101@10.0.1.1:1>"); !begins(res, "403") {
		t.Error("an eleventh device was taken")
	}
}

func TestRegisterForAnother(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	d := a.regDlg()
	uri := "sip:102@tincan"
	a.send("REGISTER", uri, d, "")
	c := a.expect("401")
	a.send("REGISTER", uri, a.regDlg(), "", a.auth(c, "REGISTER", uri, "pw101", 1, "MD5"))
	a.expect("403")
	a.send("REGISTER", aor, a.regDlg(), "")
	c = a.expect("401")
	late := a.regDlg()
	a.send("REGISTER", aor, a.regDlg(), "", a.auth(c, "REGISTER", aor, "pw101", 1, "MD5"))
	a.expect("200")
	a.send("REGISTER", aor, late, "", a.auth(c, "REGISTER", aor, "pw101", 2, "MD5"))
	a.expect("500") // out of order: the newer one stands
}

// A registration that was answered is there after a restart.
func TestBindingsOutliveTheProcess(t *testing.T) {
	l := newLab(t)
	l.phone("101").register()
	l.close()
	again := openLab(t, l.dir, l.udp.String())
	if got := again.binds.For("101"); len(got) != 1 {
		t.Errorf("bindings %+v", got)
	}
}

// A call over TCP comes back over the connection that the phone opened.
func TestFlowOverTCP(t *testing.T) {
	l := newLab(t)
	at, err := l.sip.Listen(transport.TCP, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	read := func() wire.Message {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		for {
			b, err := transport.Frame(r)
			if err != nil {
				t.Fatal(err)
			}
			m, err := wire.ParseMessage(b)
			if err != nil {
				t.Fatal(err)
			}
			if !begins(m, "100") {
				return m
			}
		}
	}
	b := l.phone("102") // only to write its messages
	const uri = "sip:102@tincan"
	text := func(seq int, extra ...string) string {
		s := b.text("REGISTER", uri, dlg{callID: "tcp", from: "r", seq: seq}, "", extra...)
		s = strings.Replace(s, "SIP/2.0/UDP", "SIP/2.0/TCP", 1)
		return strings.Replace(s, "Contact: <sip:102@"+b.addr().String()+">", "Contact: <sip:102@10.1.1.1:5;transport=tcp>", 1)
	}
	_, _ = conn.Write([]byte(text(1)))
	c := read()
	_, _ = conn.Write([]byte(text(2, b.auth(c, "REGISTER", uri, "pw102", 1, "MD5"))))
	if ok := read(); !begins(ok, "200") {
		t.Fatal(ok)
	}
	a := l.phone("101")
	d := a.invite("102", a.offer())
	in := read().(*wire.Request)
	if in.Method != wire.INVITE || !strings.Contains(in.Contact().Value(), "transport=tcp") || in.Contact().Address.Port != int(at.Port()) {
		t.Errorf("over the phone's connection came\n%s", in)
	}
	res := transaction.Reply(in, 486, "Busy Here")
	transaction.SetTag(res, "bt")
	_, _ = conn.Write([]byte(res.String()))
	if ack := read(); !begins(ack, "ACK") {
		t.Error(ack)
	}
	busy := a.expect("486")
	a.send("ACK", uri, dlg{d.callID, d.from, tagOf(busy), d.branch, 2}, "")
	// The connection is gone: the phone cannot be reached, and that is said.
	_ = conn.Close()
	deadline := time.Now().Add(5 * time.Second)
	for l.sip.Transport().Conns.Load() != 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	d = a.invite("102", a.offer())
	gone := a.expect("480")
	a.send("ACK", uri, dlg{d.callID, d.from, tagOf(gone), d.branch, 2}, "")
}
