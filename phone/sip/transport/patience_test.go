package transport_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// A stranger who says nothing in a WebSocket is let go; who has proved himself is
// kept for hours.
func TestWebSocketPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memory.New(1, memory.Weather{})
		server, browser := network.Host("10.0.0.1"), network.Host("10.0.0.2")
		came := make(chan transport.Path, 4)
		tr := transport.New(transport.Config{
			Logger:  slog.New(slog.DiscardHandler),
			Handler: func(_ wire.Message, p transport.Path, _ int) { came <- p },
		})
		at := netip.MustParseAddrPort("10.0.0.1:8443")
		l, err := server.Listen(at)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(tr.WebSocket)}
		go func() { _ = srv.Serve(l) }()
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return browser.Dial(ctx, at)
		}}}
		open := func() *websocket.Conn {
			ws, _, err := websocket.Dial(t.Context(), "http://10.0.0.1:8443/ws", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"sip"}})
			if err != nil {
				t.Fatal(err)
			}
			return ws
		}
		began := time.Now()
		if _, _, err := open().Read(t.Context()); err == nil || time.Since(began).Round(time.Second) != 32*time.Second {
			t.Errorf("a silent stranger is let go after %v: %v", time.Since(began), err)
		}
		known := open()
		_ = known.Write(t.Context(), websocket.MessageText, knock)
		tr.Keep(<-came)
		time.Sleep(time.Hour)
		_ = known.Write(t.Context(), websocket.MessageText, knock)
		<-came
		began = time.Now()
		if _, _, err := known.Read(t.Context()); err == nil || time.Since(began).Round(time.Second) != 2*time.Hour {
			t.Errorf("a silent phone is let go after %v: %v", time.Since(began), err)
		}
		_ = srv.Close()
		_ = tr.Close()
	})
}

var knock = []byte("OPTIONS sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: a-call-of-a-test\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
