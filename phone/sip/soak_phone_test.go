package sip_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/digest"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// handset is a phone that lives by itself and sends again what is lost: one
// goroutine for its life, one for its socket.
type handset struct {
	t        *testing.T
	s        *siptest.Server
	deeds    *deeds
	dice     dice
	nth      int
	number   string
	digest   *digest.Client
	host     *memory.Host
	places   int          // it has been at
	addr     netip.Addr   // where it is
	port     uint16       // another one after each boot
	regID    string       // Call-ID of its registration
	regSeq   uint32       // and CSeq
	lamp     *dialog      // its subscription; nil: none
	ready    chan *dialog // answered calls, for its life to hold
	instance string       // Contact parameter of one whose Contact changes as it moves
	hidden   bool         // behind NAT: it speaks of an address that nobody reaches
	speaks   transport.Protocol
	trust    *tls.Config // whom it believes over TLS
	cut      chan *line  // whose connection ended

	mu   sync.Mutex // guards what follows
	line *line      // nil: it is off
	talk *dialog    // the call that it is in, ringing too
}

// line is a phone's socket with its transactions, from boot to shutdown.
type line struct {
	p     *handset
	tr    *transport.Transport
	layer *transaction.Layer

	mu   sync.Mutex // guards path
	path transport.Path
}

// way is how it speaks to the server, from where it believes to be.
func (l *line) way() transport.Path {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path
}

// dialog is a call or a subscription as its phone sees it.
type dialog struct {
	id, local, remote, number string
	target                    string
	seq                       uint32
	caller                    bool
	invite                    *transaction.Server // that rings
	asked                     *wire.Request       // and what it is of
	over                      chan struct{}       // closed by end
	once                      sync.Once
	acked                     chan struct{} // closed by the first ACK
	ackOnce                   sync.Once
}

func newDialog(number string) *dialog {
	return &dialog{
		id: transaction.Token(), local: transaction.Token(), number: number, target: "sip:" + number + "@tincan",
		over: make(chan struct{}), acked: make(chan struct{}),
	}
}

func (d *dialog) end() { d.once.Do(func() { close(d.over) }) }

func newHandset(t *testing.T, s *siptest.Server, deeds *deeds, nth int, trust *tls.Config) *handset {
	t.Helper()
	p := &handset{
		t: t, s: s, deeds: deeds, nth: nth, number: soakNumber(nth), digest: digest.New(soakNumber(nth), "pw"+soakNumber(nth)),
		port: siptest.Port, regID: transaction.Token(), ready: make(chan *dialog, 1), hidden: nth%2 == 1,
		speaks: soakSpeaks(nth), trust: trust, cut: make(chan *line, 1),
		dice: dice{r: rand.New(rand.NewPCG(soakSeed, uint64(nth)))},
	}
	if !p.hidden { // else its Contact is the same wherever it is
		p.instance = fmt.Sprintf(`;+sip.instance="<urn:uuid:00000000-0000-4000-8000-%012d>"`, nth)
	}
	p.addr = p.place()
	p.host = s.Net.Host(p.addr.String())
	return p
}

// place is the next address of this phone alone.
func (p *handset) place() netip.Addr {
	p.places++
	return netip.AddrFrom4([4]byte{10, byte(p.places), byte(p.nth / 250), byte(1 + p.nth%250)})
}

// boot switches it on, at another port than before.
func (p *handset) boot() {
	p.port++
	p.open()
	p.register(soakLease)
}

// open makes its line to the server; the call that it is in goes on with it.
func (p *handset) open() {
	l := &line{p: p}
	l.tr = transport.New(transport.Config{Network: p.host, Handler: l.receive, Closed: l.closed, TLS: p.trust, Logger: slog.New(slog.DiscardHandler)})
	l.layer = transaction.New(transaction.Config{Send: l.tr.Send, User: l})
	if p.streams() {
		l.path = l.connect()
	} else {
		l.path = l.listen()
	}
	if p.hidden {
		l.path.Local = netip.AddrPortFrom(netip.MustParseAddr("192.168.1.2"), p.port)
	}
	p.mu.Lock()
	p.line = l
	p.mu.Unlock()
}

// streams tells whether it speaks over a connection.
func (p *handset) streams() bool { return p.speaks.Reliable() }

func (l *line) listen() transport.Path {
	at := netip.AddrPortFrom(l.p.addr, l.p.port)
	if _, err := l.tr.ListenUDP(at.String()); err != nil {
		l.p.t.Error(err)
	}
	path, err := l.tr.UDPPath(l.p.s.At(), at)
	if err != nil {
		l.p.t.Error(err)
	}
	return path
}

// connect connects, again and again while the server is off.
func (l *line) connect() transport.Path {
	for {
		type result struct {
			path transport.Path
			err  error
		}
		done := make(chan result, 1)
		to := l.p.s.At()
		if l.p.speaks == transport.TLS {
			to = netip.AddrPortFrom(to.Addr(), siptest.PortTLS)
		}
		l.tr.Dial(l.p.speaks, to, soakName, func(p transport.Path, err error) { done <- result{p, err} })
		r := <-done
		if r.err == nil {
			return r.path
		}
		time.Sleep(l.p.dice.between(time.Second, 10*time.Second))
	}
}

// closed notes that the connection ended.
func (l *line) closed(transport.Path) {
	select {
	case l.p.cut <- l:
	default: // it looks already
	}
}

// reconnect opens another line in place of one that ended, or is of no use where it
// is now.
func (p *handset) reconnect() {
	old := p.line
	p.open()
	if err := old.tr.Close(); err != nil {
		p.t.Error(err)
	}
}

// restored connects and registers anew after its connection ended.
func (p *handset) restored(ended *line) {
	if p.line == nil || ended != p.line {
		return // it did that itself
	}
	p.reconnect()
	p.deeds.did(reconnected)
	p.register(soakLease)
}

// off ends it without a word.
func (p *handset) off() {
	p.mu.Lock()
	l, d := p.line, p.talk
	p.line, p.talk = nil, nil
	p.mu.Unlock()
	if l == nil {
		return
	}
	if d != nil {
		d.end()
	}
	p.lamp = nil
	if err := l.tr.Close(); err != nil {
		p.t.Error(err)
	}
}

func (l *line) receive(m wire.Message, p transport.Path, _ int) { l.layer.Receive(m, p) }

// write makes a request of a dialog.
func (l *line) write(method string, d *dialog, body string, extra ...string) *wire.Request {
	to, me := "", l.way().Local.String()
	if d.remote != "" {
		to = ";tag=" + d.remote
	}
	contact := me
	if l.p.streams() {
		contact += ";transport=" + string(l.p.speaks)
	}
	if body != "" {
		extra = append(extra, "Content-Type: application/sdp")
	}
	text := strings.Join(append([]string{
		method + " " + d.target + " SIP/2.0",
		"From: <sip:" + l.p.number + "@tincan>;tag=" + d.local,
		"To: <sip:" + d.number + "@tincan>" + to,
		"Call-ID: " + d.id,
		fmt.Sprintf("CSeq: %d %s", d.seq, method),
		"Contact: <sip:" + l.p.number + "@" + contact + ">" + l.p.instance,
		"Max-Forwards: 70",
	}, append(extra, fmt.Sprintf("Content-Length: %d", len(body)))...), "\r\n") + "\r\n\r\n" + body
	m, err := wire.ParseMessage([]byte(text))
	if err != nil {
		l.p.t.Errorf("%v: %s", err, text)
		return wire.NewRequest(wire.OPTIONS, wire.Uri{})
	}
	return m.(*wire.Request)
}

// ask sends a request, once more with credentials when it must, and gives the
// final response, nil when there is none.
func (l *line) ask(method string, d *dialog, extra ...string) *wire.Response {
	try := l.p.digest.Try()
	for {
		final := make(chan *wire.Response, 1)
		d.seq++
		l.layer.Request(l.write(method, d, "", extra...), l.way(), func(res *wire.Response, _ error) {
			if res == nil || res.StatusCode >= 200 {
				final <- res
			}
		})
		res := <-final
		more, ok := l.credentials(try, method, d.target, res)
		if !ok {
			return res
		}
		extra = append(extra, more...)
	}
}

// credentials answers a challenge; not ok: res is none, or was answered.
func (l *line) credentials(try *digest.Try, method, uri string, res *wire.Response) (lines []string, ok bool) {
	if res == nil || res.StatusCode != 401 {
		return nil, false
	}
	var www []string
	for _, h := range res.GetHeaders("WWW-Authenticate") {
		www = append(www, h.Value())
	}
	headers, err := try.Answer(method, uri, www, nil)
	if err != nil {
		return nil, false
	}
	for _, h := range headers {
		lines = append(lines, h.Name+": "+h.Value)
	}
	return lines, true
}

// register registers, or with 0 says goodbye, and keeps the lamp of a neighbour.
func (p *handset) register(lease time.Duration) {
	l := p.line
	if l == nil {
		return
	}
	expires := fmt.Sprintf("Expires: %d", int(lease.Seconds()))
	d := newDialog(p.number)
	d.id, d.seq, d.target = p.regID, p.regSeq, "sip:tincan"
	if res := l.ask("REGISTER", d, expires); res != nil && res.StatusCode == 200 {
		p.deeds.did(registered)
	}
	p.regSeq = d.seq
	if p.lamp == nil {
		p.lamp = newDialog(soakNumber((p.nth + 1) % soakPhones))
	}
	res := l.ask("SUBSCRIBE", p.lamp, "Event: dialog", expires)
	if res == nil || res.StatusCode != 200 {
		p.lamp = nil // another one with the next refresh
		return
	}
	p.lamp.remote, p.lamp.target = siptest.Tag(res), siptest.Target(res)
	p.deeds.did(subscribed)
}

// move takes it to another network; it says so by registering.
func (p *handset) move() {
	to := p.place()
	p.host.Move(p.addr.String(), to.String())
	p.addr = to
	if p.streams() {
		p.reconnect()
	} else if !p.hidden {
		p.line.mu.Lock()
		p.line.path.Local = netip.AddrPortFrom(to, p.port)
		p.line.mu.Unlock()
	}
	p.deeds.did(moved)
	p.register(soakLease)
}

// live is a phone's day.
func (p *handset) live(end time.Time) {
	time.Sleep(p.dice.between(0, time.Hour))
	p.boot()
	refresh := time.Now().Add(p.dice.between(soakLease/2, soakLease-time.Minute))
	next := time.Now().Add(p.dice.between(0, soakPause))
	for time.Now().Before(end) {
		if p.line == nil { // it dropped off, or reboots
			p.boot()
		}
		select {
		case d := <-p.ready:
			p.hold(d)
		case l := <-p.cut:
			p.restored(l)
		case <-time.After(time.Until(refresh)):
			p.register(soakLease)
			refresh = time.Now().Add(p.dice.between(soakLease/2, soakLease-time.Minute))
		case <-time.After(time.Until(next)):
			p.call(soakNumber((p.nth + 1 + p.dice.roll(soakPhones-1)) % soakPhones))
			next = time.Now().Add(p.dice.between(time.Minute, soakPause))
		}
	}
	if p.nth%2 == 0 {
		p.register(0)
	}
	p.off()
}
