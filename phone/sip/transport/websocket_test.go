package transport

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	wire "github.com/emiago/sipgo/sip"
)

// openWeb is a transport behind an HTTP server, and a browser's WebSocket to it.
func openWeb(t *testing.T, gate Gate) (*Transport, chan arrived, string) {
	t.Helper()
	tr, in := open(t, gate, nil)
	s := httptest.NewServer(http.HandlerFunc(tr.WebSocket))
	t.Cleanup(s.Close)
	return tr, in, s.URL
}

func browse(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ws, answer, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPHeader: http.Header{"Origin": {"https://elsewhere.example"}}})
	if err != nil {
		t.Fatal(err, answer)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

func TestWebSocketCarriesMessages(t *testing.T) {
	tr, in, url := openWeb(t, nil)
	ws := browse(t, url)
	big := message("MESSAGE", 3, strings.Repeat("x", 40<<10)) // in several frames
	for i, m := range []struct {
		kind websocket.MessageType
		b    []byte
	}{
		{websocket.MessageText, message("OPTIONS", 1, "")},
		{websocket.MessageBinary, message("MESSAGE", 2, "binary \xff")},
		{websocket.MessageText, big},
	} {
		w, err := ws.Writer(t.Context(), m.kind)
		if err != nil {
			t.Fatal(err)
		}
		for chunk := m.b; len(chunk) > 0; {
			n := min(len(chunk), 5000)
			if _, err := w.Write(chunk[:n]); err != nil {
				t.Fatal(err)
			}
			chunk = chunk[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := next(t, in)
		req, ok := got.m.(*wire.Request)
		if !ok || req.CSeq().SeqNo != uint32(i+1) || got.p.Protocol != WSS || !got.p.Protocol.Reliable() {
			t.Fatalf("message %d came as %v over %+v", i+1, got.m, got.p)
		}
		answer := append([]byte("SIP/2.0 200 OK\r\n\r\n"), m.b[len(m.b)-1])
		if err := tr.Send(got.p, answer); err != nil {
			t.Fatal(err)
		}
		kind, b, err := ws.Read(t.Context())
		if err != nil || kind != m.kind || !bytes.Equal(b, answer) {
			t.Fatalf("answer %d came as %v %q, %v", i+1, kind, b, err)
		}
	}
	_ = ws.Close(websocket.StatusNormalClosure, "")
	for end := time.Now().Add(10 * time.Second); tr.Counts.Conns.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection outlives its peer")
		}
	}
}

func TestWebSocketKeepsAlive(t *testing.T) {
	_, in, url := openWeb(t, nil)
	ws := browse(t, url)
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := ws.Read(t.Context()); err != nil || string(b) != "\r\n" {
		t.Fatalf("a double CRLF drew %q, %v", b, err)
	}
	reading := ws.CloseRead(t.Context()) // pongs are taken while it reads
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := ws.Ping(ctx); err != nil {
		t.Error("a ping is not answered:", err)
	}
	if reading.Err() != nil || len(in) != 0 {
		t.Error("keep-alives are taken for messages")
	}
}

func TestWebSocketRefuses(t *testing.T) {
	tr, in, url := openWeb(t, nil)
	for name, c := range map[string]struct {
		header http.Header
		says   string
	}{
		"a page":              {http.Header{}, "RFC 7118"},
		"another subprotocol": {http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Protocol": {"chat"}}, "RFC 7118"},
		"no upgrade":          {http.Header{"Sec-Websocket-Protocol": {"sip"}}, "Upgrade"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = c.header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode/100 != 4 || !strings.Contains(string(text), c.says) {
			t.Errorf("%s: %s %q", name, res.Status, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	for name, b := range map[string][]byte{
		"too large": message("MESSAGE", 1, strings.Repeat("x", MaxMessage)),
		"no SIP":    []byte("hello"),
	} {
		ws := browse(t, url)
		if err := ws.Write(t.Context(), websocket.MessageText, b); err != nil {
			continue // closed while it was sent
		}
		if _, got, err := ws.Read(t.Context()); err == nil {
			t.Errorf("%s: answered %q", name, got)
		}
	}
	if len(in) != 0 || tr.Counts.Received.Load() != 0 {
		t.Error("what is no message was handed on")
	}
}

func TestWebSocketAsksTheGate(t *testing.T) {
	_, _, url := openWeb(t, closedGate{})
	_, answer, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err == nil || answer == nil || answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%v, %v", answer, err)
	}
}
