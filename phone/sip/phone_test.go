package sip

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/bus"
	"tincan/phone/app"
	"tincan/phone/app/conference"
	"tincan/phone/call"
	"tincan/phone/call/record"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/ice"
	"tincan/phone/message"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/watch"
	"tincan/secret"
	"tincan/store"
)

// lab is a whole phone server on loopback, as a phone sees it.
type lab struct {
	ice     *ice.Host
	t       *testing.T
	dir     string
	store   *store.Store
	dirs    *directory.Directory
	binds   *directory.Bindings
	ledger  *record.Ledger
	media   *media.Engine
	apps    *app.Apps
	calls   *call.Exchange
	sip     *Server
	subs    *watch.Watch
	texts   *message.Desk
	udp     netip.AddrPort
	routing sync.Mutex        // guards routes
	routes  map[string]string // number -> destination
	closed  bool
	deaf    atomic.Bool // calls are not told that they are written as standing
}

// Stand keeps a standing call, and says so unless the lab is deaf.
func (l *lab) Stand(id string, state []byte, done func(error)) {
	l.ledger.Stand(id, state, func(err error) {
		if !l.deaf.Load() {
			done(err)
		}
	})
}

// End keeps a record.
func (l *lab) End(rec record.Record, done func(error)) { l.ledger.End(rec, done) }

// quick are timers that let a test see a time-out.
var quick = transaction.Timers{T1: 50 * time.Millisecond, T2: 100 * time.Millisecond, T4: 100 * time.Millisecond}

func newLab(t *testing.T) *lab { return openLab(t, t.TempDir(), "127.0.0.1:0") }

func openLab(t *testing.T, dir, addr string) *lab {
	t.Helper()
	l := &lab{t: t, dir: dir, routes: map[string]string{"*43": "app:echo", "9000": "trunk:out/9000"}}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	l.store, err = store.Open(ctx, dir, store.Options{Logger: log})
	must(err)
	box, err := secret.Open(dir)
	must(err)
	l.dirs, err = directory.Open(ctx, l.store, box, "tincan")
	must(err)
	must(l.store.Update(ctx, func(tx *store.Tx) error {
		var forms []directory.ExtensionForm
		for _, n := range []string{"101", "102", "103", iceNumber} {
			f := directory.ExtensionForm{Number: n, Name: "Phone " + n, Secret: "pw" + n}
			text, where := directory.Extensions{}.Secret(&f)
			*text = box.Seal([]byte(*text), where)
			switch n {
			case "102":
				f.Digest = "sha256"
			case iceNumber:
				f.ICE = directory.ICEWanted
			case "103":
				f.Codecs = []string{"amr"} // made nowhere here
			}
			forms = append(forms, f)
		}
		if err := (directory.Extensions{}).Write(tx, forms, nil); err != nil {
			return err
		}
		return directory.Trunks{}.Write(tx, []directory.TrunkForm{{Name: "out", Address: "127.0.0.1:9", Match: []string{"127.0.0.2"}}}, nil)
	}))
	must(l.dirs.Reload(ctx))
	l.binds, err = directory.OpenBindings(ctx, l.store)
	must(err)
	l.ledger, err = record.Open(ctx, l.store)
	must(err)
	l.media, err = media.NewEngine(media.Config{First: 20000, Last: 29999, Logger: log})
	must(err)
	l.ice, err = ice.NewHost(ice.Config{})
	must(err)
	b := &bus.Bus{}
	l.apps = app.New(app.Config{Media: l.media, Rooms: conference.New(l.media, b), Bus: b, Logger: log})
	l.sip = New(Config{
		Node: "n1", Realm: "tincan", Directory: l.dirs, Bindings: l.binds, Media: l.media, Bus: b, Logger: log, Timers: quick, Box: box, ICE: l.ice,
	}, Settings{RegisterMin: time.Minute, RegisterMax: time.Hour})
	var n atomic.Int64
	l.calls = call.New(call.Config{
		Node: "n1", Router: l, Ledger: l, Bus: b, Logger: log, RingTime: 2 * time.Second,
		NewID: func() string { return fmt.Sprintf("call-%d-%d", time.Now().UnixNano(), n.Add(1)) },
	})
	l.sip.SetCalls(l.calls)
	l.subs, err = watch.Open(ctx, watch.Config{
		Store: l.store, Logger: log, Directory: l.dirs, Bindings: l.binds, Exchange: l.calls,
		Send: l.sip.Notify, NewTag: transaction.Token,
	})
	must(err)
	l.sip.SetWatch(l.subs)
	l.texts, err = message.Open(ctx, message.Config{
		Store: l.store, Bus: b, Logger: log, Carriers: []message.Carrier{l.sip}, Trunks: l.sip, NewID: transaction.Token,
		Route: func(_, number string) (string, bool) { return l.Route(call.Party{}, number) },
	})
	must(err)
	l.sip.SetTexts(l.texts)
	l.udp, err = l.sip.Listen(transport.UDP, addr)
	must(err)
	l.sip.Start()
	t.Cleanup(func() { l.close() })
	return l
}

func (l *lab) close() {
	if l.closed {
		return
	}
	l.closed = true
	_ = l.subs.Close()
	if err := l.texts.Close(); err != nil {
		l.t.Error(err)
	}
	if err := l.sip.Close(); err != nil {
		l.t.Error(err)
	}
	if err := l.media.Close(); err != nil {
		l.t.Error(err)
	}
	if err := l.ice.Close(); err != nil {
		l.t.Error(err)
	}
	if err := l.store.Close(context.Background()); err != nil {
		l.t.Error(err)
	}
}

func (l *lab) Route(_ call.Party, number string) (string, bool) {
	l.routing.Lock()
	d, ok := l.routes[number]
	l.routing.Unlock()
	if ok {
		return d, true
	}
	_, ok = l.dirs.Snapshot().Extension(number)
	return "extension:" + number, ok
}

func (l *lab) Dial(dest string, s call.Setup, o call.Owner) (a call.Attempt, err error) {
	kind, name, _ := strings.Cut(dest, ":")
	snap := l.dirs.Snapshot()
	switch kind {
	case "extension":
		e, _ := snap.Extension(name)
		a.Legs, err = l.sip.DialExtension(e, s, o)
	case "trunk":
		name, number, _ := strings.Cut(name, "/")
		tr, _ := snap.Trunk(name)
		a.Legs, err = l.sip.DialTrunk(tr, number, s, o)
	case "app":
		var leg call.Leg
		if leg, err = l.apps.Dial("app", name, "", s, o); err == nil {
			a.Legs = []call.Leg{leg}
		}
	}
	return a, err
}

func (l *lab) Revive(kind string, state []byte, o call.Owner) (call.Leg, error) {
	if kind == "app" {
		return l.apps.Revive(state, o)
	}
	return l.sip.Revive(state, o)
}

// route sends a number to a destination.
func (l *lab) route(number, destination string) {
	l.routing.Lock()
	defer l.routing.Unlock()
	l.routes[number] = destination
}

// setCodecs changes what an extension may use.
func (l *lab) setCodecs(number string, codecs ...string) {
	l.t.Helper()
	l.change(number, func(f *directory.ExtensionForm) { f.Codecs = codecs })
}

// change changes an extension.
func (l *lab) change(number string, change func(*directory.ExtensionForm)) {
	l.t.Helper()
	err := l.store.Update(l.t.Context(), func(tx *store.Tx) error {
		forms, err := directory.Extensions{}.Read(tx)
		for i := range forms {
			if forms[i].Number == number {
				change(&forms[i])
			}
		}
		if err != nil {
			return err
		}
		return directory.Extensions{}.Write(tx, forms, nil)
	})
	if err == nil {
		err = l.dirs.Reload(l.t.Context())
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// last gives the latest call record, once there are n.
func (l *lab) last(n int) record.Record {
	l.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		all, err := l.ledger.List(l.t.Context(), record.Filter{Limit: 100})
		if err != nil {
			l.t.Fatal(err)
		}
		if len(all) >= n {
			return all[0]
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%d records, want %d", len(all), n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// idle waits until nothing of any call is left but transactions that linger.
func (l *lab) idle() {
	l.t.Helper()
	l.left(false)
}

func (l *lab) left(transactions bool) {
	l.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		calls, _ := l.calls.Counts()
		used, _ := l.media.Ports()
		srv, cli := 0, 0
		if transactions {
			srv, cli = l.sip.Transactions()
		}
		l.sip.mu.Lock()
		legs, merges := len(l.sip.legs), len(l.sip.merges)
		l.sip.mu.Unlock()
		if calls+used+legs+merges+srv+cli == 0 {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("left: %d calls, %d ports, %d legs, %d merges, %d+%d transactions", calls, used, legs, merges, srv, cli)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// phone is a SIP phone of a few lines: it sends what a test writes and shows
// what comes.
type phone struct {
	t      *testing.T
	lab    *lab
	conn   *net.UDPConn
	number string
	seq    int
	rtp    int
	other  netip.AddrPort // of the server, if not the lab's first
	inbox  []wire.Message
}

func (l *lab) phone(number string) *phone { return l.phoneAt(number, l.udp.Addr().String()) }

func (l *lab) phoneAt(number, host string) *phone {
	l.t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close() })
	return &phone{t: l.t, lab: l, conn: c, number: number, rtp: 40000}
}

func (p *phone) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// server is where the phone sends to.
func (p *phone) server() netip.AddrPort {
	if p.other.IsValid() {
		return p.other
	}
	return p.lab.udp
}

func (p *phone) write(text string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), p.server()); err != nil {
		p.t.Fatal(err)
	}
}

// send sends a request; extra are header lines. The body follows if not empty.
func (p *phone) send(method, uri string, d dlg, body string, extra ...string) {
	p.t.Helper()
	p.write(p.text(method, uri, d, body, extra...))
}

// dlg is what a test says of the dialog of a request.
type dlg struct {
	callID, from, to, branch string // tags; branch made if empty
	seq                      int
}

func (p *phone) text(method, uri string, d dlg, body string, extra ...string) string {
	if d.branch == "" {
		d.branch = transaction.Branch()
	}
	to := ""
	if d.to != "" {
		to = ";tag=" + d.to
	}
	h := []string{
		method + " " + uri + " SIP/2.0",
		"Via: SIP/2.0/UDP " + p.addr().String() + ";rport;branch=" + d.branch,
		"From: <sip:" + p.number + "@tincan>;tag=" + d.from,
		"To: <" + uri + ">" + to,
		"Call-ID: " + d.callID,
		fmt.Sprintf("CSeq: %d %s", d.seq, method),
	}
	if !has(extra, "Contact") {
		h = append(h, "Contact: <sip:"+p.number+"@"+p.addr().String()+">")
	}
	if !has(extra, "Max-Forwards") {
		h = append(h, "Max-Forwards: 70")
	}
	if body != "" && !has(extra, "Content-Type") {
		h = append(h, "Content-Type: application/sdp")
	}
	h = append(append(h, extra...), fmt.Sprintf("Content-Length: %d", len(body)))
	return strings.Join(h, "\r\n") + "\r\n\r\n" + body
}

func has(lines []string, name string) bool {
	for _, l := range lines {
		if strings.HasPrefix(l, name+":") {
			return true
		}
	}
	return false
}

// expect waits for a message that begins so ("200", "INVITE"); 100s are passed
// over, others kept for later.
func (p *phone) expect(first string) wire.Message {
	p.t.Helper()
	for i, m := range p.inbox {
		if begins(m, first) {
			p.inbox = append(p.inbox[:i], p.inbox[i+1:]...)
			return m
		}
	}
	for {
		m := p.read(10 * time.Second)
		if m == nil {
			p.t.Fatalf("%s waits for %s in vain; has %s", p.number, first, firsts(p.inbox))
		}
		if begins(m, first) {
			return m
		}
		if !begins(m, "100") {
			p.inbox = append(p.inbox, m)
		}
	}
}

func firsts(list []wire.Message) (out []string) {
	for _, m := range list {
		s, _, _ := strings.Cut(m.String(), "\r\n")
		out = append(out, s)
	}
	return out
}

func (p *phone) read(wait time.Duration) wire.Message {
	b := make([]byte, 65536)
	_ = p.conn.SetReadDeadline(time.Now().Add(wait))
	n, err := p.conn.Read(b)
	if err != nil {
		return nil
	}
	m, err := wire.ParseMessage(b[:n])
	if err != nil {
		p.t.Fatalf("the server sent %q: %v", b[:n], err)
	}
	return m
}

func begins(m wire.Message, first string) bool {
	switch m := m.(type) {
	case *wire.Request:
		return string(m.Method) == first
	case *wire.Response:
		return fmt.Sprint(m.StatusCode) == first
	}
	return false
}

// answer replies to a request.
func (p *phone) answer(req wire.Message, code int, tag, body string, extra ...string) {
	p.t.Helper()
	res := p.reply(req, code, tag, extra...)
	if body != "" {
		withSDP(res, []byte(body))
	}
	p.write(res.String())
}

// reply makes a response.
func (p *phone) reply(req wire.Message, code int, tag string, extra ...string) *wire.Response {
	res := transaction.Reply(req.(*wire.Request), code, "X")
	if tag != "" {
		transaction.SetTag(res, tag)
	}
	res.AppendHeader(wire.NewHeader("Contact", "<sip:"+p.number+"@"+p.addr().String()+">"))
	for _, e := range extra {
		k, v, _ := strings.Cut(e, ": ")
		res.AppendHeader(wire.NewHeader(k, v))
	}
	return res
}

// auth makes the Authorization line that a challenge asks for.
func (p *phone) auth(challenge wire.Message, method, uri, password string, nc int, alg string) string {
	p.t.Helper()
	for _, h := range challenge.GetHeaders("WWW-Authenticate") {
		if strings.Contains(h.Value(), "algorithm="+alg+",") {
			return credentials(h.Value(), p.number, password, method, uri, nc, alg)
		}
	}
	p.t.Fatalf("no challenge with %s in\n%s", alg, challenge)
	return ""
}

func credentials(challenge, user, password, method, uri string, nc int, alg string) string {
	_, nonce, _ := strings.Cut(challenge, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	sum := func(s string) string {
		if alg == "SHA-256" {
			h := sha256.Sum256([]byte(s))
			return hex.EncodeToString(h[:])
		}
		h := md5.Sum([]byte(s))
		return hex.EncodeToString(h[:])
	}
	resp := sum(fmt.Sprintf("%s:%s:%08x:cn:auth:%s", sum(user+":tincan:"+password), nonce, nc, sum(method+":"+uri)))
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="tincan", nonce="%s", uri="%s", response="%s", algorithm=%s, cnonce="cn", qop=auth, nc=%08x`,
		user, nonce, uri, resp, alg, nc)
}

// register registers the phone.
func (p *phone) register(extra ...string) wire.Message {
	p.t.Helper()
	const uri = "sip:tincan"
	p.seq++
	d := dlg{callID: "reg-" + p.number + p.addr().String(), from: "r", seq: p.seq}
	to := "sip:" + p.number + "@tincan"
	p.send("REGISTER", to, d, "", extra...)
	c := p.expect("401")
	p.seq++
	d.seq = p.seq
	p.send("REGISTER", to, d, "", append(extra, p.auth(c, "REGISTER", to, "pw"+p.number, 1, "MD5"))...)
	_ = uri
	return p.expect("200")
}

// offer is a session description of this phone.
func (p *phone) offer(formats ...string) string {
	if len(formats) == 0 {
		formats = []string{"0", "8"}
	}
	where := "IN IP4 " + p.addr().Addr().String()
	if p.addr().Addr().Is6() {
		where = "IN IP6 " + p.addr().Addr().String()
	}
	return "v=0\r\no=- 1 1 " + where + "\r\ns=-\r\nc=" + where + "\r\nt=0 0\r\nm=audio " + fmt.Sprint(p.rtp) + " RTP/AVP " + strings.Join(formats, " ") + "\r\n"
}

// invite calls with authentication and gives the dialog to go on with.
func (p *phone) invite(number, body string, extra ...string) dlg {
	p.t.Helper()
	return p.inviteTo("sip:"+number+"@tincan", body, extra...)
}

// inviteTo is invite for any address.
func (p *phone) inviteTo(uri, body string, extra ...string) dlg {
	p.t.Helper()
	p.seq++
	d := dlg{callID: transaction.Token(), from: transaction.Token(), seq: 1}
	p.send("INVITE", uri, d, body, extra...)
	c := p.expect("401")
	p.send("ACK", uri, dlg{d.callID, d.from, tagOf(c), viaBranch(c), 1}, "")
	d.seq, d.branch = 2, transaction.Branch()
	p.send("INVITE", uri, d, body, append(extra, p.auth(c, "INVITE", uri, "pw"+p.number, 1, "MD5"))...)
	return d
}

func viaBranch(m wire.Message) string { b, _ := m.Via().Params.Get("branch"); return b }

func tagOf(m wire.Message) string { t, _ := m.To().Params.Get("tag"); return t }

// within gives the dialog once the answer named its tag.
func (d dlg) within(answer wire.Message) dlg {
	d.to, d.branch = tagOf(answer), ""
	return d
}

func (d dlg) next() dlg { d.seq++; return d }

// target gives the URI for requests within a dialog.
func target(m wire.Message) string {
	c := m.GetHeaders("Contact")[0].(*wire.ContactHeader)
	return c.Address.String()
}

// talk makes a call from a to b that stands, and gives both ends.
func talk(a, b *phone) (ad, bd dlg, aTarget, bTarget string) {
	a.t.Helper()
	ad, bd, aTarget, bTarget, _ = talking(a, b)
	return ad, bd, aTarget, bTarget
}

// talking is talk that gives the description which a was answered, too.
func talking(a, b *phone) (ad, bd dlg, aTarget, bTarget, answer string) {
	a.t.Helper()
	ad = a.invite(b.number, a.offer())
	in := b.expect("INVITE")
	b.answer(in, 180, "bt", "")
	a.expect("180")
	b.answer(in, 200, "bt", b.offer())
	ok := a.expect("200")
	b.expect("ACK")
	ad = ad.within(ok)
	a.send("ACK", target(ok), ad, "")
	from, _ := in.From().Params.Get("tag")
	bd = dlg{callID: string(*in.CallID()), from: "bt", to: from, seq: 1}
	return ad, bd, target(ok), target(in), string(ok.Body())
}
