package transport

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

// A connection that ended is not given out again, even if it ended at once.
func TestEndedConnectionIsDialledAgain(t *testing.T) {
	tr, _ := open(t, nil, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	for range 20 {
		type result struct {
			p   Path
			err error
		}
		ch := make(chan result, 1)
		tr.Dial(TCP, unmapped(ln.Addr()), "x", func(p Path, err error) { ch <- result{p, err} })
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		got := <-ch
		if got.err != nil {
			t.Fatal(got.err)
		}
		for deadline := time.Now().Add(10 * time.Second); got.p.Valid(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the path stays valid after its connection")
			}
		}
	}
}

// What would take long to parse, or no database would take, is dropped or
// mended before it is parsed.
func TestHeadersAreBoundedText(t *testing.T) {
	p := wire.NewParser()
	with := func(via string) []byte {
		return bytes.Replace(message("OPTIONS", 1, "\xff;;;"), []byte(";branch"), []byte(via+";branch"), 1)
	}
	for name, via := range map[string]string{
		"too many parameters": strings.Repeat(";a", maxParams), "NUL": ";a=\x00",
	} {
		if _, err := parse(p, with(via)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	m, err := parse(p, bytes.Replace(with(""), []byte("From: <"), []byte("From: \"J\xf6rg\" <"), 1))
	if err != nil {
		t.Fatal(err)
	}
	if m.From().DisplayName != "J?rg" || string(m.Body()) != "\xff;;;" {
		t.Errorf("%q, body %q", m.From().DisplayName, m.Body())
	}
}

// A binding may name an address of ours that we had before a restart.
func TestAddressThatIsGone(t *testing.T) {
	for _, c := range []struct{ listen, peer, old string }{
		{"0.0.0.0:0", "127.0.0.1:0", "192.0.2.1:5060"}, {"[::]:0", "[::1]:0", "[2001:db8::1]:5060"},
	} {
		tr, _ := open(t, nil, nil)
		if _, err := tr.ListenUDP(c.listen); err != nil {
			t.Fatal(err)
		}
		peer, err := net.ListenPacket("udp", c.peer)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = peer.Close() }()
		p, err := tr.UDPPath(peer.LocalAddr().(*net.UDPAddr).AddrPort(), netip.MustParseAddrPort(c.old))
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Send(p, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, _, err := peer.ReadFrom(make([]byte, 100)); err != nil {
			t.Error(err)
		}
	}
}
