package peer

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tincan/e2e/tone"
)

// Plain is a phone of few lines that hides nothing: it says a tone, in packets that
// a test may spoil (Spoil), and keeps each RTP packet that it is sent (Heard), where
// real phones have jitter buffers that make good what a server did badly. It calls,
// or answers at once, by UDP on the loopback, as a trunk does that is known by its
// address; it repeats no message. Its one call ends with the test.
//
//	SIP socket ─> answers by itself / answer ─> Dial, Hangup, Offer
//	RTP socket ─> Heard          tone, every 20 ms ─> Spoil ─> RTP socket
//
// Three goroutines: one a socket and one that speaks.
type Plain struct {
	Port int // SIP

	name     string
	sip, rtp *net.UDPConn
	law      plainLaw
	said     []byte // by the law, in whole periods and packets
	answers  chan message
	done     chan struct{}
	wg       sync.WaitGroup

	mu     sync.Mutex // guards what follows
	server netip.AddrPort
	talk   plainDialog
	up     bool
	to     netip.AddrPort // where its sound goes; invalid: nowhere yet
	spoil  Spoil
	heard  []Packet
}

// plainLaw is G.711 as one of its laws.
type plainLaw struct {
	pt   uint8
	name string
	code func(tone.Sound) []byte
	back func([]byte) tone.Sound
}

var plainLaws = map[string]plainLaw{
	"pcmu": {0, "PCMU", tone.MuLaw, tone.FromMuLaw},
	"pcma": {8, "PCMA", tone.ALaw, tone.FromALaw},
}

// plainDialog is the one dialog.
type plainDialog struct {
	id, ours, theirs, target string
	seq                      int
}

// StartPlain starts a phone that says hz in a law ("pcmu", "pcma").
func StartPlain(t testing.TB, law string, hz float64) *Plain {
	t.Helper()
	l, ok := plainLaws[law]
	if !ok {
		t.Fatalf("plain phone: no law %q", law)
	}
	p := &Plain{
		Port: FreePort(t), law: l, answers: make(chan message, 16), done: make(chan struct{}),
		said: l.code(tone.Sine(hz, time.Second, 8000)), // hz is whole: so are its periods
	}
	p.name = fmt.Sprintf("plain phone at %d", p.Port)
	p.sip, p.rtp = listenPlain(t, p.Port), listenPlain(t, FreePort(t))
	p.wg.Go(p.listen)
	p.wg.Go(p.hear)
	p.wg.Go(p.speak)
	t.Cleanup(func() {
		close(p.done)
		_, _ = p.sip.Close(), p.rtp.Close()
		p.wg.Wait()
	})
	return p
}

func listenPlain(t testing.TB, port int) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Dial calls a number at a server and waits until it is answered.
func (p *Plain) Dial(t testing.TB, server, number string) {
	t.Helper()
	at, err := netip.ParseAddrPort(server)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.server = at
	p.talk = plainDialog{
		id: fmt.Sprintf("plain-%d-%d", p.Port, time.Now().UnixNano()), target: fmt.Sprintf("sip:%s@%s", number, server),
		ours: fmt.Sprintf("<sip:plain@127.0.0.1:%d>;tag=a", p.Port), theirs: fmt.Sprintf("<sip:%s@%s>", number, server),
	}
	p.mu.Unlock()
	p.Offer(t, "sendrecv")
}

// Offer sends INVITE, again within a call, with a direction of the sound (RFC 8866
// 6.7), and waits for its answer.
func (p *Plain) Offer(t testing.TB, direction string) {
	t.Helper()
	p.request("INVITE", p.description(direction))
	answer := p.await(t, "INVITE")
	if !strings.HasPrefix(answer.first, "SIP/2.0 200") {
		t.Fatalf("%s: INVITE was answered %q", p.name, answer.first)
	}
	p.mu.Lock()
	p.talk.theirs, p.talk.target = answer.header("To"), answer.target()
	p.meet(answer)
	p.mu.Unlock()
	p.request("ACK", "")
}

// Hangup ends its call.
func (p *Plain) Hangup(t testing.TB) {
	t.Helper()
	p.request("BYE", "")
	p.await(t, "BYE")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = false
}

// Up tells whether its call stands.
func (p *Plain) Up() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

func (p *Plain) await(t testing.TB, method string) message {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		select {
		case m := <-p.answers:
			if strings.HasSuffix(m.header("CSeq"), method) {
				return m
			}
		case <-deadline.C:
			t.Fatalf("%s: %s was not answered in %v", p.name, method, Patience)
		}
	}
}

// request sends the next request of the dialog.
func (p *Plain) request(method, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &p.talk
	if method != "ACK" {
		d.seq++
	}
	head := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%s-%d-%s\r\nMax-Forwards: 70\r\n"+
		"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", method, d.target, p.Port, d.id, d.seq, method, d.ours, d.theirs, d.id, d.seq, method)
	p.send(head, body)
}

// send ends a message and sends it. The caller holds mu. What cannot be sent is not
// answered either, which a test sees.
func (p *Plain) send(head, body string) {
	if body != "" {
		head += "Content-Type: application/sdp\r\n"
	}
	text := fmt.Sprintf("%sContact: <sip:plain@127.0.0.1:%d>\r\nContent-Length: %d\r\n\r\n%s", head, p.Port, len(body), body)
	_, _ = p.sip.WriteToUDPAddrPort([]byte(text), p.server)
}

func (p *Plain) description(direction string) string {
	port := p.rtp.LocalAddr().(*net.UDPAddr).Port
	return fmt.Sprintf("v=0\r\no=- 1 %d IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP %d\r\na=rtpmap:%[3]d %[4]s/8000\r\na=%[5]s\r\n",
		time.Now().UnixNano(), port, p.law.pt, p.law.name, direction)
}

// listen reads SIP messages until the socket closes.
func (p *Plain) listen() {
	b := make([]byte, 1<<16)
	for {
		n, from, err := p.sip.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		m := parse(string(b[:n]))
		if !strings.HasPrefix(m.first, "SIP/2.0 ") {
			p.answer(m, from)
		} else if !strings.HasPrefix(m.first, "SIP/2.0 1") {
			select {
			case p.answers <- m:
			default: // nobody waits
			}
		}
	}
}

// answer agrees to whatever is asked.
func (p *Plain) answer(m message, from netip.AddrPort) {
	method, _, _ := strings.Cut(m.first, " ")
	if method == "ACK" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	to := m.header("To")
	if !strings.Contains(to, ";tag=") {
		to += ";tag=b"
	}
	if method == "INVITE" && p.talk.id != m.header("Call-ID") {
		p.server = from
		p.talk = plainDialog{id: m.header("Call-ID"), ours: to, theirs: m.header("From"), target: m.target()}
	}
	head := "SIP/2.0 200 OK\r\n"
	for _, via := range m.headers("Via") {
		head += "Via: " + via + "\r\n"
	}
	head += fmt.Sprintf("From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n", m.header("From"), to, m.header("Call-ID"), m.header("CSeq"))
	body := ""
	switch {
	case method == "BYE":
		p.up = false
	case m.body != "":
		body = p.description("sendrecv")
		p.meet(m)
	}
	p.send(head, body)
}

// meet takes from a description where sound goes. The caller holds mu.
func (p *Plain) meet(m message) {
	p.up = true
	var host, port string
	for line := range strings.Lines(m.body) {
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "c=IN":
			host = words[2]
		case len(words) > 1 && words[0] == "m=audio":
			port = words[1]
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	at, bad := netip.ParseAddr(host)
	if err == nil && bad == nil && n > 0 {
		p.to = netip.AddrPortFrom(at, uint16(n))
	}
}

// message is a SIP message.
type message struct {
	first string
	lines []string
	body  string
}

func parse(text string) message {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	return message{lines[0], lines[1:], body}
}

// headers gives the values of a header, by its long name, which is what the server
// writes.
func (m message) headers(name string) (values []string) {
	for _, line := range m.lines {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

func (m message) header(name string) string {
	if values := m.headers(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// target is the URI of the Contact.
func (m message) target() string {
	_, uri, _ := strings.Cut(m.header("Contact"), "<")
	uri, _, _ = strings.Cut(uri, ">")
	return uri
}
