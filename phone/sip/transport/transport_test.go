package transport

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type arrived struct {
	m wire.Message
	p Path
}

func open(t *testing.T, gate Gate, conf *tls.Config) (*Transport, chan arrived) {
	t.Helper()
	in := make(chan arrived, 4096)
	tr := New(Config{
		Handler: func(m wire.Message, p Path, _ int) { in <- arrived{m, p} },
		Gate:    gate, TLS: conf, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr, in
}

func next(t *testing.T, in chan arrived) arrived {
	t.Helper()
	select {
	case a := <-in:
		return a
	case <-time.After(10 * time.Second):
		t.Fatal("nothing arrived")
		return arrived{}
	}
}

func message(method string, seq int, body string) []byte {
	return fmt.Appendf(nil, "%s sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: a-call-of-a-test\r\nUser-Agent: a test\r\nCSeq: %d %s\r\nContent-Length: %d\r\n\r\n%s",
		method, seq, seq, method, len(body), body)
}

func dialUDP(t *testing.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The INFOs of one dialog stay in their order: with a goroutine a message a
// sixth of them would not.
func TestOrderIsKept(t *testing.T) {
	tr, in := open(t, nil, nil)
	at, err := tr.ListenTCP("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	const n = 2000
	go func() {
		for i := 1; i <= n; i++ {
			_, _ = c.Write(message("INFO", i, ""))
		}
	}()
	for i := 1; i <= n; i++ {
		if got := next(t, in).m.CSeq().SeqNo; got != uint32(i) {
			t.Fatalf("message %d came as number %d", got, i)
		}
	}
}

// On a wildcard socket the answer leaves from the address that was asked.
func TestWildcardAnswersFromTheAddressAsked(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0"} {
		tr, in := open(t, nil, nil)
		at, err := tr.ListenUDP(listen)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"127.0.0.1", "127.0.0.53", "127.9.9.9"} {
			want := netip.AddrPortFrom(netip.MustParseAddr(host), at.Port())
			c := dialUDP(t, want) // connected: takes nothing from elsewhere
			_, _ = c.Write(message("OPTIONS", 1, ""))
			a := next(t, in)
			if a.p.Local != want {
				t.Errorf("%s: arrived at %s, want %s", listen, a.p.Local, want)
			}
			if err := tr.Send(a.p, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, 100)
			if n, err := c.Read(b); err != nil || string(b[:n]) != "hello" {
				t.Errorf("%s: answer from another address than %s: %v", listen, want, err)
			}
		}
	}
}

// A request to a peer never heard leaves from the port that we listen on.
func TestUnheardPeerSeesTheListeningPort(t *testing.T) {
	tr, _ := open(t, nil, nil)
	at, err := tr.ListenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	p, err := tr.UDPPath(peer.LocalAddr().(*net.UDPAddr).AddrPort(), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Send(p, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_ = peer.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, from, err := peer.ReadFromUDPAddrPort(make([]byte, 10))
	if err != nil || from != at {
		t.Errorf("came from %s, want %s (%v)", from, at, err)
	}
}

// What is written to one connection never goes to another, and a connection
// that is gone is an error, not somebody else's.
func TestConnectionsAreNotMixedUp(t *testing.T) {
	tr, in := open(t, nil, nil)
	at, err := tr.ListenTCP("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	var paths []Path
	for i := range 3 {
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_, _ = c.Write(message("REGISTER", i+1, ""))
		conns, paths = append(conns, c), append(paths, next(t, in).p)
	}
	for i, p := range paths {
		if err := tr.Send(p, fmt.Appendf(nil, "to %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range conns {
		b := make([]byte, 10)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, _ := c.Read(b); string(b[:n]) != fmt.Sprintf("to %d", i) {
			t.Errorf("connection %d got %q", i, b[:n])
		}
	}
	if p, ok := tr.Connection(paths[1].ID()); !ok || p != paths[1] {
		t.Error("a connection is not found by its ID")
	}
	_ = conns[0].Close()
	deadline := time.Now().Add(5 * time.Second)
	for tr.Send(paths[0], []byte("late")) == nil {
		if time.Now().After(deadline) {
			t.Fatal("sending over a closed connection never fails")
		}
	}
}

// Junk draws nothing and leaves nothing.
func TestJunkIsDropped(t *testing.T) {
	tr, in := open(t, nil, nil)
	at, err := tr.ListenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := dialUDP(t, at)
	junk := [][]byte{
		{},
		[]byte("\r\n\r\n"),
		{0, 0, 0, 0},
		bytes.Repeat([]byte{'x'}, 1400), bytes.Repeat([]byte("A SIP/2.0\r\n"), 20),
		message("INVITE", 1, "")[:150], bytes.Repeat([]byte{0xff}, 60000),
		bytes.Replace(message("INVITE", 1, ""), []byte("Call-ID"), []byte("Other"), 1),
		bytes.Replace(message("INVITE", 1, ""), []byte("1 INVITE"), []byte("1 BYE"), 1),
	}
	for _, j := range junk {
		_, _ = c.Write(j)
	}
	_, _ = c.Write(message("OPTIONS", 7, ""))
	if a := next(t, in); a.m.CSeq().SeqNo != 7 {
		t.Errorf("junk was handed on: %s", a.m)
	}
	if n := tr.Counts.Junk.Load() + tr.Counts.Malformed.Load(); n != uint64(len(junk)) {
		t.Errorf("counted %d, want %d", n, len(junk))
	}
}

type closedGate struct{}

func (closedGate) Allow(netip.AddrPort, Protocol) bool { return false }
func (closedGate) Report(Fact)                         {}

func TestGateIsAskedBeforeParsing(t *testing.T) {
	tr, in := open(t, closedGate{}, nil)
	at, err := tr.ListenTCP("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = c.Write(message("OPTIONS", 1, ""))
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a banned peer was answered")
	}
	if len(in) != 0 || tr.Counts.Refused.Load() != 1 {
		t.Error("a banned peer's message was handed on")
	}
}

func TestKeepAliveOnAStream(t *testing.T) {
	tr, in := open(t, nil, nil)
	at, err := tr.ListenTCP("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = c.Write([]byte("\r\n\r\n"))
	b := make([]byte, 10)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(b); err != nil || string(b[:n]) != "\r\n" {
		t.Errorf("a keep-alive drew %q, %v", b[:n], err)
	}
	// Trickled, two in one segment, with a body: framing holds.
	whole := append(message("OPTIONS", 1, "abc"), message("OPTIONS", 2, "")...)
	for _, x := range whole[:40] {
		_, _ = c.Write([]byte{x})
	}
	_, _ = c.Write(whole[40:])
	if string(next(t, in).m.Body()) != "abc" || next(t, in).m.CSeq().SeqNo != 2 {
		t.Error("framing failed")
	}
}

func TestFrameBounds(t *testing.T) {
	head := "OPTIONS sip:x SIP/2.0\r\n"
	for name, text := range map[string]string{
		"endless headers":  head + strings.Repeat("X: y\r\n", MaxMessage/6+1),
		"endless line":     head + "X: " + strings.Repeat("y", MaxMessage+1),
		"no length":        head + "\r\n",
		"two lengths":      head + "Content-Length: 1\r\nl: 2\r\n\r\nab",
		"negative length":  head + "Content-Length: -1\r\n\r\n",
		"too long":         head + "Content-Length: 99999999999999999999\r\n\r\n",
		"cut in the body":  head + "Content-Length: 5\r\n\r\nabc",
		"cut in a header":  head + "Conte",
		"length no number": head + "Content-Length: x\r\n\r\n",
	} {
		if msg, err := Frame(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%s: taken as %.60q", name, msg)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(message("OPTIONS", 1, "abc"))
	f.Add([]byte("A\nl:3\n\nabcX"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		msg, err := Frame(r)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(b, msg) || len(msg) > MaxMessage {
			t.Fatalf("framed %q out of %q", msg, b)
		}
		again, err := Frame(bufio.NewReader(bytes.NewReader(msg)))
		if err != nil || !bytes.Equal(again, msg) {
			t.Fatalf("framed again: %q, %v", again, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(message("INVITE", 1, "v=0"))
	p := wire.NewParser()
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(p, b)
		if err != nil {
			return
		}
		again, err := parse(p, []byte(m.String()))
		if err != nil {
			return // the library writes some odd values such that it refuses them
		}
		if again.CSeq().SeqNo != m.CSeq().SeqNo || *again.CallID() != *m.CallID() {
			t.Fatalf("%q became %q", m, again)
		}
	})
}

func selfSigned(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TLS verifies the name that was asked for, whatever address it has: with the
// address verified instead, RFC 3263's fail-over could not work.
func TestTLSVerifiesTheName(t *testing.T) {
	cert, pool := selfSigned(t, "phones.example")
	server, in := open(t, nil, &tls.Config{Certificates: []tls.Certificate{cert}})
	at, err := server.ListenTCP("127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	client, _ := open(t, nil, &tls.Config{RootCAs: pool})
	type result struct {
		p   Path
		err error
	}
	dial := func(name string) result {
		ch := make(chan result, 1)
		client.Dial(TLS, at, name, func(p Path, err error) { ch <- result{p, err} })
		return <-ch
	}
	good := dial("phones.example")
	if good.err != nil {
		t.Fatal(good.err)
	}
	if err := client.Send(good.p, message("OPTIONS", 1, "")); err != nil {
		t.Fatal(err)
	}
	next(t, in)
	if again := dial("phones.example"); again.p != good.p {
		t.Error("a second dial opened a second connection")
	}
	if bad := dial("other.example"); bad.err == nil {
		t.Error("a certificate for another name was taken")
	}
}

// Large messages go out over UDP as they are: a phone that registered over UDP
// is never turned to TCP.
func TestLargeDatagram(t *testing.T) {
	tr, in := open(t, nil, nil)
	at, err := tr.ListenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := dialUDP(t, at)
	_, _ = c.Write(message("INVITE", 1, strings.Repeat("a", 9000)))
	a := next(t, in)
	if err := tr.Send(a.p, bytes.Repeat([]byte("b"), 9000)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 10000)
	if n, err := c.Read(b); n != 9000 {
		t.Errorf("%d bytes, %v", n, err)
	}
}
