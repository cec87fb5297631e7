package load

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"
)

// Wall is phones with lamps, the phones that the lamps show, and one that calls
// them: all in one process, so that one clock says when a phone began to ring and
// when each lamp was told.
//
//	caller ──INVITE──> server ──INVITE──> ringer (all watched numbers, one socket)
//	                     │  <──180── the moment that counts
//	                     └──NOTIFY──> phones, a socket each ──> seen
type Wall struct {
	server string
	secret string
	phones []*phone
	ringer *phone
	caller *phone
	seen   chan sight
}

// sight is a lamp being told.
type sight struct {
	number string
	state  string
	at     time.Time
}

// maxSights holds what comes while nobody looks: the first state of all lamps.
const maxSights = 100_000

// wallPatience bounds each wait.
const wallPatience = 20 * time.Second

// NewWall makes n phones towards server (host:port). All accounts have one secret.
func NewWall(server, secret string, n int) (*Wall, error) {
	w := &Wall{server: server, secret: secret, seen: make(chan sight, maxSights)}
	for range n + 2 {
		p, err := newPhone(server, secret)
		if err != nil {
			w.Close()
			return nil, err
		}
		w.phones = append(w.phones, p)
	}
	w.caller, w.ringer, w.phones = w.phones[0], w.phones[1], w.phones[2:]
	for _, p := range w.phones {
		p.notified = w.saw
	}
	return w, nil
}

// Close ends all phones.
func (w *Wall) Close() {
	for _, p := range append(w.phones, w.caller, w.ringer) {
		if p != nil {
			p.close()
		}
	}
}

func (w *Wall) saw(m message) {
	state := "idle"
	for _, s := range []string{"early", "confirmed", "terminated"} {
		if strings.Contains(m.body(), ">"+s+"<") {
			state = s
		}
	}
	select {
	case w.seen <- sight{user(m.header("From")), state, time.Now()}:
	default:
	}
}

// Register registers the watched numbers and the caller.
func (w *Wall) Register(numbers []string, caller string) error {
	for _, number := range numbers {
		if err := w.ringer.register(number); err != nil {
			return err
		}
	}
	return w.caller.register(caller)
}

// Subscribe gives each phone, an account each, a lamp for each number, and waits
// until all were told for the first time.
func (w *Wall) Subscribe(accounts, numbers []string) error {
	failed := make(chan error, len(w.phones))
	for i, p := range w.phones { // all at once, each one lamp after the other
		go func() {
			for _, number := range numbers {
				if err := p.subscribe(accounts[i], number); err != nil {
					failed <- fmt.Errorf("phone %s, lamp %s: %w", accounts[i], number, err)
					return
				}
			}
			failed <- nil
		}()
	}
	for range w.phones {
		if err := <-failed; err != nil {
			return err
		}
	}
	deadline := time.After(wallPatience)
	for told := 0; told < len(w.phones)*len(numbers); told++ {
		select {
		case <-w.seen:
		case <-deadline:
			return fmt.Errorf("%d of %d lamps were told their first state in %v", told, len(w.phones)*len(numbers), wallPatience)
		}
	}
	return nil
}

// Ring calls a number, lets it ring, and gives how long each phone's lamp took to
// show that; then the number is busy, and all lamps go out.
func (w *Wall) Ring(caller, number string) ([]time.Duration, error) {
	in := make(chan message, 1)
	w.ringer.invited = func(m message) { in <- m }
	failed := make(chan error, 1)
	go func() { failed <- w.caller.call(caller, number) }()
	var invite message
	select {
	case invite = <-in:
	case <-time.After(wallPatience):
		return nil, fmt.Errorf("the call to %s never came", number)
	}
	rang := time.Now()
	w.ringer.answer(invite, "180 Ringing")
	var took []time.Duration
	if err := w.await(number, "early", func(s sight) { took = append(took, s.at.Sub(rang)) }); err != nil {
		return nil, err
	}
	w.ringer.answer(invite, "486 Busy Here")
	if err := <-failed; err != nil {
		return nil, err
	}
	return took, w.await(number, "", func(sight) {})
}

// await waits until every phone was told a state of a number: early, or, when state
// is empty, that it is over.
func (w *Wall) await(number, state string, found func(sight)) error {
	deadline := time.After(wallPatience)
	for n := 0; n < len(w.phones); {
		select {
		case s := <-w.seen:
			over := s.state == "idle" || s.state == "terminated"
			if s.number == number && (s.state == state || state == "" && over) {
				n++
				found(s)
			}
		case <-deadline:
			return fmt.Errorf("%d of %d phones were told that %s is %q", n, len(w.phones), number, state)
		}
	}
	return nil
}

// phone is a socket that speaks as little SIP as it needs.
type phone struct {
	server, secret string
	conn           net.PacketConn
	to             net.Addr
	ended          chan struct{}
	notified       func(message)
	invited        func(message)

	mu        sync.Mutex // guards what follows
	serial    int
	waiting   map[string]chan message // final answers by branch
	challenge map[string]*digest.Challenge
	count     map[string]int
}

func newPhone(server, secret string) (*phone, error) {
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &phone{
		server: server, secret: secret, conn: conn, to: to, ended: make(chan struct{}),
		waiting: map[string]chan message{}, challenge: map[string]*digest.Challenge{}, count: map[string]int{},
	}
	go p.read()
	return p, nil
}

func (p *phone) close() {
	_ = p.conn.Close()
	<-p.ended
}

func (p *phone) read() {
	defer close(p.ended)
	buffer := make([]byte, 65536)
	for {
		n, _, err := p.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		m := message(buffer[:n])
		switch {
		case strings.HasPrefix(string(m), "SIP/2.0 "):
			p.answered(m)
		case strings.HasPrefix(string(m), "NOTIFY "):
			p.answer(m, "200 OK")
			if p.notified != nil {
				p.notified(m)
			}
		case strings.HasPrefix(string(m), "INVITE ") && p.invited != nil:
			p.invited(m)
		case strings.HasPrefix(string(m), "OPTIONS "):
			p.answer(m, "200 OK")
		}
	}
}

func (p *phone) answered(m message) {
	if m[len("SIP/2.0 ")] == '1' {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	branch := branchOf(m)
	if ch := p.waiting[branch]; ch != nil {
		delete(p.waiting, branch)
		ch <- m
	}
}

// answer sends a response to a request.
func (p *phone) answer(m message, status string) {
	text := "SIP/2.0 " + status + "\r\n"
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		value := m.header(name)
		if name == "To" && !strings.Contains(value, "tag=") {
			value += ";tag=wall"
		}
		text += name + ": " + value + "\r\n"
	}
	text += "Contact: <sip:wall@" + p.conn.LocalAddr().String() + ">\r\nContent-Length: 0\r\n\r\n"
	_, _ = p.conn.WriteTo([]byte(text), p.to) // lost like any datagram
}

// ask sends a request of an account, proves it when asked, and gives its final
// answer.
func (p *phone) ask(method, account, uri, to, more, body string) (message, error) {
	p.mu.Lock()
	p.serial++
	callID := fmt.Sprintf("w%d-%d", p.serial, p.conn.LocalAddr().(*net.UDPAddr).Port)
	p.mu.Unlock()
	for seq := 1; ; seq++ {
		proof, err := p.proof(method, account, uri)
		if err != nil {
			return "", err
		}
		branch := fmt.Sprintf("z9hG4bK%s-%d", callID, seq)
		text := fmt.Sprintf("%[1]s %[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s;branch=%[4]s;rport\r\nFrom: <sip:%[5]s@%[6]s>;tag=%[7]s\r\n"+
			"To: <%[8]s>\r\nCall-ID: %[7]s\r\nCSeq: %[9]d %[1]s\r\nContact: <sip:%[5]s@%[3]s>\r\nMax-Forwards: 70\r\n%[10]s%[11]sContent-Length: %[12]d\r\n\r\n%[13]s",
			method, uri, p.conn.LocalAddr(), branch, account, p.server, callID, to, seq, proof, more, len(body), body)
		m, err := p.exchange(branch, text)
		if err != nil {
			return "", fmt.Errorf("%s to %s: %w", method, uri, err)
		}
		if method == "INVITE" {
			ack := fmt.Sprintf("ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
				uri, p.conn.LocalAddr(), branch, m.header("From"), m.header("To"), callID, seq)
			_, _ = p.conn.WriteTo([]byte(ack), p.to)
		}
		if seq > 3 || !strings.HasPrefix(string(m), "SIP/2.0 401 ") {
			return m, nil
		}
		c, err := digest.ParseChallenge(m.header("WWW-Authenticate"))
		if err != nil {
			return "", err
		}
		p.mu.Lock()
		p.challenge[account], p.count[account] = c, 0
		p.mu.Unlock()
	}
}

func (p *phone) proof(method, account, uri string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.challenge[account]
	if c == nil {
		return "", nil
	}
	p.count[account]++
	proof, err := digest.Digest(c, digest.Options{
		Method: method, URI: uri, Username: account, Password: p.secret, Count: p.count[account],
	})
	if err != nil {
		return "", err
	}
	return "Authorization: " + proof.String() + "\r\n", nil
}

// repeatAfter is SIP's T1.
const repeatAfter = 500 * time.Millisecond

// exchange sends a request until its final answer comes.
func (p *phone) exchange(branch, text string) (message, error) {
	ch := make(chan message, 1)
	p.mu.Lock()
	p.waiting[branch] = ch
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), wallPatience)
	defer cancel()
	for wait := repeatAfter; ; wait *= 2 {
		if _, err := p.conn.WriteTo([]byte(text), p.to); err != nil {
			return "", err
		}
		select {
		case m := <-ch:
			return m, nil
		case <-time.After(wait):
		case <-ctx.Done():
			return "", fmt.Errorf("no answer in %v", wallPatience)
		}
	}
}

func (p *phone) register(number string) error {
	uri := "sip:" + p.server
	return want("200", p.askFor("REGISTER", number, uri, "sip:"+number+"@"+p.server, "Expires: 3600\r\n", ""))
}

func (p *phone) subscribe(account, number string) error {
	uri := "sip:" + number + "@" + p.server
	return want("20", p.askFor("SUBSCRIBE", account, uri, uri, "Event: dialog\r\nAccept: application/dialog-info+xml\r\nExpires: 3600\r\n", ""))
}

// call calls a number and waits until it is refused.
func (p *phone) call(account, number string) error {
	uri := "sip:" + number + "@" + p.server
	offer := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
	return want("486", p.askFor("INVITE", account, uri, uri, "Content-Type: application/sdp\r\n", offer))
}

// result is an answer or why there is none.
type result struct {
	m   message
	err error
}

func (p *phone) askFor(method, account, uri, to, more, body string) result {
	m, err := p.ask(method, account, uri, to, more, body)
	return result{m, err}
}

func want(status string, r result) error {
	if r.err != nil {
		return r.err
	}
	if !strings.HasPrefix(string(r.m), "SIP/2.0 "+status) {
		line, _, _ := strings.Cut(string(r.m), "\r\n")
		return fmt.Errorf("answered %q, want %s", line, status)
	}
	return nil
}

// message is a SIP message as it came. Its texts are copies.
type message string

// header gives the first header of a name.
func (m message) header(name string) string {
	_, rest, ok := strings.Cut(string(m), "\r\n"+name+": ")
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func (m message) body() string {
	_, body, _ := strings.Cut(string(m), "\r\n\r\n")
	return body
}

func branchOf(m message) string {
	_, rest, _ := strings.Cut(m.header("Via"), "branch=")
	branch, _, _ := strings.Cut(rest, ";")
	return branch
}

// user is the user of the URI in a From or To.
func user(header string) string {
	_, rest, _ := strings.Cut(header, "sip:")
	name, _, _ := strings.Cut(rest, "@")
	return name
}
