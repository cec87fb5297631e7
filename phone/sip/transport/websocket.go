package transport

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// webProtocol is the subprotocol of SIP (RFC 7118 4).
const webProtocol = "sip"

var errNoWebSocket = errors.New("browsers open WebSockets to this server, it opens none")

// WebSocket takes the WebSockets that an HTTP server over TLS is asked for. Pages
// from anywhere may ask: who calls proves himself by a digest, not by a cookie.
func (t *Transport) WebSocket(w http.ResponseWriter, r *http.Request) {
	p, err := webPath(r)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case t.cfg.Gate != nil && !t.cfg.Gate.Allow(p.Remote, WSS):
		t.Counts.Refused.Add(1)
		http.Error(w, "too much came from this address: wait a minute", http.StatusTooManyRequests)
		return
	case !asks(r, webProtocol):
		http.Error(w, "this is for SIP over WebSocket (RFC 7118): a phone in a browser speaks here, with the subprotocol sip", http.StatusBadRequest)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{webProtocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil { // it has answered
		t.cfg.Logger.Debug("WebSocket refused", "peer", p.Remote, "error", short(err))
		return
	}
	t.admit(t.newConn(newWeb(ws), p, dialKey{}))
}

// asks tells whether a request names a subprotocol.
func asks(r *http.Request, protocol string) bool {
	return slices.ContainsFunc(r.Header.Values("Sec-WebSocket-Protocol"), func(list string) bool {
		return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), protocol) })
	})
}

func webPath(r *http.Request) (Path, error) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if !ok || err != nil {
		return Path{}, errors.New("the HTTP server does not say who asks")
	}
	return Path{Protocol: WSS, Local: unmapped(local), Remote: netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())}, nil
}

// web is the link of a WebSocket. Its library answers pings while it is read.
type web struct {
	ws     *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer // cancels: the peer is silent for too long
}

func newWeb(ws *websocket.Conn) *web {
	ws.SetReadLimit(MaxMessage)
	w := &web{ws: ws}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.timer = time.AfterFunc(strangerIdle, w.cancel)
	return w
}

func (w *web) greet(context.Context) error { return nil }

func (w *web) linger(d time.Duration) { w.timer.Reset(d) }

// next takes one message (RFC 7118 5), in as many frames as the peer likes, within
// the patience there is for it to begin; a double CRLF draws a single one (RFC 5626
// 4.4.1).
func (w *web) next(c *conn) ([]byte, error) {
	for {
		w.linger(c.patience())
		_, b, err := w.ws.Read(w.ctx)
		if err != nil {
			return nil, err
		}
		if len(bytes.Trim(b, "\r\n")) > 0 {
			return b, nil
		}
		if bytes.Count(b, []byte("\n")) > 1 {
			_ = c.send([]byte("\r\n"), c.path)
		}
	}
}

func (w *web) write(b []byte) error {
	ctx, cancel := context.WithTimeout(w.ctx, writeTime)
	defer cancel()
	kind := websocket.MessageText
	if !utf8.Valid(b) {
		kind = websocket.MessageBinary
	}
	return w.ws.Write(ctx, kind, b)
}

func (w *web) Close() error {
	w.timer.Stop()
	w.cancel()
	return w.ws.CloseNow()
}
