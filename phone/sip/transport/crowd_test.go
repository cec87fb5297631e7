package transport_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// town is a transport with a listener on a network in memory.
type town struct {
	t   *testing.T
	net *memory.Network
	tr  *transport.Transport
	at  netip.AddrPort
	in  chan transport.Path
}

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{t: t, net: memory.New(1, memory.Weather{}), in: make(chan transport.Path, 100), at: netip.MustParseAddrPort("192.0.2.1:5060")}
	w.tr = transport.New(transport.Config{
		Network: w.net.Host("192.0.2.1"), Logger: slog.New(slog.DiscardHandler),
		Handler: func(_ wire.Message, p transport.Path, _ int) { w.in <- p },
	})
	if _, err := w.tr.ListenTCP(w.at.String(), false); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *town) close() {
	if err := w.tr.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *town) dial(from string) net.Conn {
	w.t.Helper()
	c, err := w.net.Host(from).Dial(w.t.Context(), w.at)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait() // it is accepted
	return c
}

func (w *town) conns() int64 {
	synctest.Wait()
	return w.tr.Counts.Conns.Load()
}

// alive tells whether the server still reads a connection.
func alive(c net.Conn) bool {
	_ = c.SetDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Write([]byte("\r"))
	return err == nil
}

const options = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"

func TestStrangersConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.close()
		phone := w.dial("198.51.100.7")
		_, _ = phone.Write([]byte(options + "Content-Length: 0\r\n\r\n"))
		w.tr.Keep(<-w.in)
		office := w.dial("198.51.100.7")
		first := w.dial("203.0.113.5")
		for range 400 {
			w.dial("203.0.113.5")
		}
		if n := w.conns(); n != 256+2 {
			t.Errorf("%d connections, want 256 of one address and two of another", n)
		}
		if alive(first) {
			t.Error("the oldest of the address stays")
		}
		for i := range 3000 {
			w.dial(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
		}
		if n := w.conns(); n != 2048+1 {
			t.Errorf("%d connections, want 2048 strangers' and the phone's", n)
		}
		if alive(office) {
			t.Error("the oldest stranger stays")
		}
		if !alive(phone) {
			t.Error("a phone lost its connection to strangers")
		}
		time.Sleep(time.Minute)
		if n := w.conns(); n != 1 {
			t.Errorf("%d connections after a minute, want the phone's", n)
		}
	})
}

// Even who proves himself each time has a bound.
func TestAddressIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.close()
		for range 1100 {
			c, err := w.net.Host("203.0.113.5").Dial(t.Context(), w.at)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte(options + "Content-Length: 0\r\n\r\n")); err != nil {
				break
			}
			w.tr.Keep(<-w.in)
		}
		if n := w.conns(); n != 1024 {
			t.Errorf("%d connections of one address, want 1024", n)
		}
	})
}

// Idle, trickling, endless: each ends when it says here.
func TestSlowAndEndlessStreams(t *testing.T) {
	for name, c := range map[string]struct {
		feed func(net.Conn) // until the connection ends
		want time.Duration  // of its life
	}{
		"nothing":        {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 32 * time.Second},
		"trickled bytes": {func(c net.Conn) { trickle(c, options+strings.Repeat("X: y\r\n", 100)) }, 20 * time.Second},
		"a body that never comes": {func(c net.Conn) {
			_, _ = c.Write([]byte(options + "Content-Length: 10\r\n\r\nabc"))
			_, _ = io.Copy(io.Discard, c)
		}, 20 * time.Second},
		"endless headers": {func(c net.Conn) { pour(c, options, "X: y\r\n") }, 0},
		"an endless line": {func(c net.Conn) { pour(c, options+"X: ", "yyyyyyyyyyyyyyyy") }, 0},
		"no length":       {func(c net.Conn) { pour(c, options+"\r\n", "") }, 0},
		"a huge length":   {func(c net.Conn) { pour(c, options+"Content-Length: 4294967297\r\n\r\n", "") }, 0},
		"a length that is too short": {func(c net.Conn) {
			pour(c, options+"Content-Length: 2\r\n\r\nabcd rest that is no message and has no end", "")
		}, 20 * time.Second},
		"junk": {func(c net.Conn) { pour(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				defer w.close()
				began := time.Now()
				conn := w.dial("203.0.113.5")
				c.feed(conn)
				if took := time.Since(began); took < c.want || took > c.want+time.Second {
					t.Errorf("ended after %v, want %v", took, c.want)
				}
				if n := w.conns(); n != 0 {
					t.Errorf("%d connections left", n)
				}
			})
		})
	}
}

// trickle writes a byte a second.
func trickle(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := c.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// pour writes head, and then more until the connection ends, 200 kB at most.
func pour(c net.Conn, head, more string) {
	if _, err := c.Write([]byte(head)); err != nil {
		return
	}
	if more == "" {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	for range 200 << 10 / len(more) {
		if _, err := c.Write([]byte(more)); err != nil {
			return
		}
	}
}

// Keep-alives of a stranger do not draw more than they are.
func TestKeepAliveIsNoAmplifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.close()
		c := w.dial("203.0.113.5")
		sent := bytes.Repeat([]byte("\r\n\r\n"), 100)
		go func() { _, _ = c.Write(sent); _ = c.SetReadDeadline(time.Now().Add(time.Second)) }()
		got, _ := io.ReadAll(c)
		if len(got) != len(sent)/2 {
			t.Errorf("%d bytes drew %d", len(sent), len(got))
		}
	})
}

// A TLS client that never shakes hands holds its place for ten seconds.
func TestHandshakeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memory.New(1, memory.Weather{})
		at := netip.MustParseAddrPort("192.0.2.1:5061")
		tr := transport.New(transport.Config{
			Network: net.Host("192.0.2.1"), Logger: slog.New(slog.DiscardHandler), TLS: &tls.Config{},
			Handler: func(wire.Message, transport.Path, int) {},
		})
		defer func() { _ = tr.Close() }()
		if _, err := tr.ListenTCP(at.String(), true); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c, err := net.Host("203.0.113.5").Dial(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, c)
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("ended after %v, want 10s", took)
		}
	})
}

// A request that cannot be read is answered over a stream, which goes on: its end
// was where it said.
func TestMalformedRequestKeepsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.close()
		c := w.dial("203.0.113.5")
		r := bufio.NewReader(c)
		bad := strings.Replace(options, "To: <sip:x>", "To: \"x <sip:x>", 1) + "Content-Length: 0\r\n\r\n"
		for range 3 {
			if _, err := c.Write([]byte(bad)); err != nil {
				t.Fatal(err)
			}
			msg, err := transport.Frame(r)
			if err != nil || !bytes.HasPrefix(msg, []byte("SIP/2.0 400 ")) {
				t.Fatalf("%q, %v", msg, err)
			}
		}
		if _, err := c.Write([]byte(options + "Content-Length: 0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		<-w.in
	})
}
