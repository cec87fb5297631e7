package siptest

import (
	"crypto/md5" // RFC 3261 digest
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// Phone is a SIP phone of a few lines over UDP: it sends what a test writes and
// shows what comes. For one goroutine.
type Phone struct {
	Host   *memory.Host
	Number string
	Secret string
	Wait   time.Duration // patience of Expect, in the bubble's time

	t     testing.TB
	conn  transport.PacketConn
	to    netip.AddrPort
	come  chan wire.Message
	ended chan struct{}
	kept  []wire.Message
	seq   int
}

// patience is how long a phone waits when Wait is not set: longer than any timer
// of a transaction.
const patience = 2 * time.Minute

// Phone makes a phone at addr (such as "198.51.100.7"), port 5060; Close it.
func (s *Server) Phone(number, secret, addr string) *Phone {
	s.t.Helper()
	return s.PhoneAt(number, secret, netip.AddrPortFrom(netip.MustParseAddr(addr), Port))
}

// PhoneAt makes a phone at an address and port; Close it.
func (s *Server) PhoneAt(number, secret string, at netip.AddrPort) *Phone {
	s.t.Helper()
	p := &Phone{
		Host: s.Net.Host(at.Addr().String()), Number: number, Secret: secret, Wait: patience, t: s.t,
		to:   netip.AddrPortFrom(s.Host.Source(at), Port),
		come: make(chan wire.Message, 1024), ended: make(chan struct{}),
	}
	conn, err := p.Host.ListenPacket(at)
	if err != nil {
		s.t.Fatal(err)
	}
	p.conn = conn
	go p.read()
	return p
}

// Close ends the phone.
func (p *Phone) Close() {
	_ = p.conn.Close()
	<-p.ended
}

// refused is the answer to what the server could not parse either.
var refused = regexp.MustCompile(`^SIP/2\.0 (400|414|416|505|513) `)

func (p *Phone) read() {
	defer close(p.ended)
	b := make([]byte, transport.MaxMessage)
	for {
		n, _, _, err := p.conn.Recv(b)
		if err != nil {
			return
		}
		m, err := wire.ParseMessage(b[:n])
		if err != nil && refused.Match(b[:n]) {
			continue // it repeats what the phone wrote wrongly
		}
		if err != nil {
			p.t.Errorf("the server sent %q: %v", b[:n], err)
			continue
		}
		select {
		case p.come <- m:
		default: // nobody looks
		}
	}
}

// At is where the phone speaks from now.
func (p *Phone) At() netip.AddrPort {
	return netip.AddrPortFrom(p.Host.Source(p.to), p.conn.Local().Port())
}

// Write sends bytes.
func (p *Phone) Write(text string) {
	p.t.Helper()
	if err := p.conn.Send([]byte(text), netip.Addr{}, p.to); err != nil {
		p.t.Fatal(err)
	}
}

// Dialog is what a request says of its dialog; an empty Branch is made.
type Dialog struct {
	CallID, From, To, Branch string // tags
	Seq                      int
}

// Request writes a request as text; extra are header lines.
func (p *Phone) Request(method, uri string, d Dialog, body string, extra ...string) string {
	if d.Branch == "" {
		d.Branch = transaction.Branch()
	}
	to := ""
	if d.To != "" {
		to = ";tag=" + d.To
	}
	lines := append([]string{
		method + " " + uri + " SIP/2.0",
		"Via: SIP/2.0/UDP " + p.At().String() + ";rport;branch=" + d.Branch,
		"From: <sip:" + p.Number + "@tincan>;tag=" + d.From,
		"To: <" + uri + ">" + to,
		"Call-ID: " + d.CallID,
		fmt.Sprintf("CSeq: %d %s", d.Seq, method),
		"Contact: <sip:" + p.Number + "@" + p.At().String() + ">",
		"Max-Forwards: 70",
	}, extra...)
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// Send writes a request and sends it.
func (p *Phone) Send(method, uri string, d Dialog, body string, extra ...string) {
	p.t.Helper()
	p.Write(p.Request(method, uri, d, body, extra...))
}

// Next gives the next message, or nil after Wait.
func (p *Phone) Next() wire.Message {
	select {
	case m := <-p.come:
		return m
	case <-time.After(p.Wait):
		return nil
	}
}

// Expect waits for a message that begins so ("200", "INVITE"); others are kept
// for later, 100s and retransmissions are not told apart.
func (p *Phone) Expect(first string) wire.Message {
	p.t.Helper()
	for i, m := range p.kept {
		if Begins(m, first) {
			p.kept = append(p.kept[:i], p.kept[i+1:]...)
			return m
		}
	}
	for {
		m := p.Next()
		if m == nil {
			p.t.Fatalf("%s waits for %s in vain; has %v", p.Number, first, p.kept)
		}
		if Begins(m, first) {
			return m
		}
		p.kept = append(p.kept, m)
	}
}

// Begins tells whether a message is a request of that method or a response of
// that status.
func Begins(m wire.Message, first string) bool {
	switch m := m.(type) {
	case *wire.Request:
		return string(m.Method) == first
	case *wire.Response:
		return fmt.Sprint(m.StatusCode) == first
	}
	return false
}

// Answer replies to a request.
func (p *Phone) Answer(req wire.Message, code int, tag, body string) {
	p.t.Helper()
	res := transaction.Reply(req.(*wire.Request), code, "X")
	wire.CopyHeaders("Record-Route", req, res)
	if tag != "" {
		transaction.SetTag(res, tag)
	}
	res.AppendHeader(wire.NewHeader("Contact", "<sip:"+p.Number+"@"+p.At().String()+">"))
	if body != "" {
		res.AppendHeader(wire.NewHeader("Content-Type", "application/sdp"))
		res.SetBody([]byte(body))
	}
	p.Write(res.String())
}

// Offer is a session description of this phone with PCMU and PCMA.
func (p *Phone) Offer() string {
	where := "IN IP4 " + p.At().Addr().String()
	if p.At().Addr().Is6() {
		where = "IN IP6 " + p.At().Addr().String()
	}
	return "v=0\r\no=- 1 1 " + where + "\r\ns=-\r\nc=" + where + "\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n"
}

// Credentials answers the first challenge of a 401 or 407 by MD5 with a nonce
// count.
func (p *Phone) Credentials(challenge wire.Message, method, uri string, count int) string {
	var text string
	for _, h := range append(challenge.GetHeaders("WWW-Authenticate"), challenge.GetHeaders("Proxy-Authenticate")...) {
		if strings.Contains(h.Value(), "MD5") {
			text = h.Value()
		}
	}
	_, nonce, _ := strings.Cut(text, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	sum := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	ha1, ha2 := sum(p.Number+":"+Realm+":"+p.Secret), sum(method+":"+uri)
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, cnonce="cn", qop=auth, nc=%08x`,
		p.Number, Realm, nonce, uri, sum(fmt.Sprintf("%s:%s:%08x:cn:auth:%s", ha1, nonce, count, ha2)), count)
}

// Register registers the phone for an hour.
func (p *Phone) Register() wire.Message {
	p.t.Helper()
	uri := "sip:" + p.Number + "@tincan"
	d := Dialog{CallID: "reg-" + p.Number, From: "r"}
	p.seq++
	d.Seq = p.seq
	p.Send("REGISTER", uri, d, "")
	c := p.Expect("401")
	p.seq++
	d.Seq = p.seq
	p.Send("REGISTER", uri, d, "", p.Credentials(c, "REGISTER", uri, 1))
	return p.Expect("200")
}

// Invite calls a number with credentials and gives the dialog of the second
// INVITE.
func (p *Phone) Invite(number, body string) Dialog {
	p.t.Helper()
	uri := "sip:" + number + "@tincan"
	d := Dialog{CallID: transaction.Token(), From: transaction.Token(), Branch: transaction.Branch(), Seq: 1}
	p.Send("INVITE", uri, d, body)
	c := p.Expect("401")
	ack := d
	ack.To = Tag(c)
	p.Send("ACK", uri, ack, "")
	d.Seq, d.Branch = 2, transaction.Branch()
	p.Send("INVITE", uri, d, body, p.Credentials(c, "INVITE", uri, 1))
	return d
}

// Tag is the To-tag of a message.
func Tag(m wire.Message) string { t, _ := m.To().Params.Get("tag"); return t }

// Target is the URI for requests within the dialog that a message made.
func Target(m wire.Message) string {
	c := m.GetHeaders("Contact")[0].(*wire.ContactHeader)
	return c.Address.String()
}

// Call is a call between two phones of a test that stands.
type Call struct {
	A, B             Dialog // of their next requests
	ATarget, BTarget string
}

// Talk makes a call from p to other, which is registered, that stands.
func (p *Phone) Talk(other *Phone) Call {
	p.t.Helper()
	d := p.Invite(other.Number, p.Offer())
	in := other.Expect("INVITE")
	other.Answer(in, 180, "bt", "")
	p.Expect("180")
	other.Answer(in, 200, "bt", other.Offer())
	ok := p.Expect("200")
	other.Expect("ACK")
	d.To, d.Branch = Tag(ok), ""
	p.Send("ACK", Target(ok), d, "")
	d.Seq++
	from, _ := in.From().Params.Get("tag")
	return Call{
		A: d, ATarget: Target(ok), BTarget: Target(in),
		B: Dialog{CallID: string(*in.CallID()), From: "bt", To: from, Seq: 1},
	}
}
