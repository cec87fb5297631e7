package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one TCP or TLS connection, accepted or dialled.
type conn struct {
	t      *Transport
	nc     net.Conn
	path   Path
	serial uint64
	queue  chan []byte
	kept   atomic.Bool // who is at the other end has proved himself
	key    dialKey     // of a connection that we dialled
	place  place       // of one that we accepted, in the crowd

	once sync.Once
	done chan struct{}
}

// ListenTCP opens a listener; with TLS when secure.
func (t *Transport) ListenTCP(addr string, secure bool) (netip.AddrPort, error) {
	ap, err := resolveListen(addr)
	if err != nil {
		return ap, err
	}
	proto := TCP
	if secure {
		proto = TLS
	}
	l, err := t.cfg.Network.Listen(ap)
	if err != nil {
		return ap, fmt.Errorf("listen on %s %s: %w", proto, addr, err)
	}
	t.mu.Lock()
	t.closers = append(t.closers, l.Close)
	t.mu.Unlock()
	t.goRun(func() { t.accept(l, proto) })
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// acceptPause is how long accepting rests when the process is out of files.
const acceptPause = 100 * time.Millisecond

func (t *Transport) accept(l net.Listener, proto Protocol) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.cfg.Logger.Warn("cannot accept a connection; raise the limit of open files if this persists", "error", err)
			select {
			case <-time.After(acceptPause):
			case <-t.ctx.Done():
				return
			}
			continue
		}
		peer := unmapped(nc.RemoteAddr())
		if t.cfg.Gate != nil && !t.cfg.Gate.Allow(peer, proto) {
			t.Counts.Refused.Add(1)
			_ = nc.Close()
			continue
		}
		t.welcome(nc, proto)
	}
}

// welcome starts an accepted connection, if there is room.
func (t *Transport) welcome(nc net.Conn, proto Protocol) {
	c := t.newConn(nc, proto, dialKey{})
	out, ok := t.crowd.enter(c)
	if !ok {
		t.Counts.Refused.Add(1)
		_ = nc.Close()
		return
	}
	if out != nil {
		t.Counts.Refused.Add(1)
		out.close()
	}
	t.start(c)
}

func unmapped(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// newConn takes a connection over. An accepted TLS connection shakes hands on
// its own goroutine, within a bound.
func (t *Transport) newConn(nc net.Conn, proto Protocol, key dialKey) *conn {
	c := &conn{
		t: t, nc: nc, serial: t.nextID.Add(1), queue: make(chan []byte, maxQueued),
		key: key, done: make(chan struct{}),
	}
	c.path = Path{Protocol: proto, Local: unmapped(nc.LocalAddr()), Remote: unmapped(nc.RemoteAddr()), via: c}
	if _, already := nc.(*tls.Conn); proto == TLS && !already {
		c.nc = tls.Server(nc, t.cfg.TLS)
	}
	return c
}

// start begins to read and write.
func (t *Transport) start(c *conn) {
	t.mu.Lock()
	t.conns[c.serial] = c
	if c.key != (dialKey{}) {
		t.dialled[c.key] = c // before it can end
	}
	if t.ctx.Err() != nil { // Close has been past here
		c.close()
	}
	t.mu.Unlock()
	t.Counts.Conns.Add(1)
	t.goRun(c.write)
	t.goRun(c.read)
}

func (c *conn) id() uint64 { return c.serial }

func (c *conn) alive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

func (c *conn) close() {
	c.once.Do(func() {
		close(c.done)
		_ = c.nc.Close()
	})
}

func (c *conn) forget() {
	c.close()
	t := c.t
	t.mu.Lock()
	delete(t.conns, c.serial)
	if t.dialled[c.key] == c {
		delete(t.dialled, c.key)
	}
	t.mu.Unlock()
	t.crowd.leave(c)
	t.Counts.Conns.Add(-1)
	if t.cfg.Closed != nil {
		t.cfg.Closed(c.path)
	}
}

var (
	errConnClosed = errors.New("connection is closed")
	errConnStuck  = errors.New("peer does not read: connection closed")
)

func (c *conn) send(b []byte, _ Path) error {
	if !c.alive() {
		return errConnClosed
	}
	select {
	case c.queue <- bytes.Clone(b):
		return nil
	default:
		c.close()
		return errConnStuck
	}
}

func (c *conn) write() {
	for {
		select {
		case <-c.done:
			return
		case b := <-c.queue:
			_ = c.nc.SetWriteDeadline(time.Now().Add(writeTime))
			if _, err := c.nc.Write(b); err != nil {
				c.close()
				return
			}
		}
	}
}

func (c *conn) read() {
	defer c.forget()
	if tc, ok := c.nc.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(c.t.ctx, handshakeTime)
		err := tc.HandshakeContext(ctx)
		cancel()
		if err != nil {
			c.t.cfg.Logger.Debug("TLS handshake failed", "peer", c.path.Remote, "error", short(err))
			return
		}
	}
	r := bufio.NewReaderSize(c.nc, 4096)
	for {
		_ = c.nc.SetReadDeadline(time.Now().Add(c.patience()))
		msg, err := c.next(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.t.cfg.Logger.Debug("SIP connection ended", "peer", c.path.Remote, "error", short(err))
			}
			return
		}
		if !c.admitted() {
			return
		}
		if err := c.t.receive(msg, c.path); err != nil {
			return
		}
		if c.key != (dialKey{}) {
			c.kept.Store(true)
		}
	}
}

// patience is how long nothing may come.
func (c *conn) patience() time.Duration {
	switch {
	case c.kept.Load():
		return idleTime
	case c.key != (dialKey{}):
		return dialledIdleTime
	}
	return strangerIdle
}

// heldPause is how long the reader of a connection waits until it asks the gate
// again.
const heldPause = 250 * time.Millisecond

// admitted waits until the gate lets the message in that has been read. Nothing is
// read meanwhile, so that the peer's writes stall: a stream has no other way of
// saying slower. It is false when the connection ended first.
func (c *conn) admitted() bool {
	if c.t.cfg.Gate == nil || c.t.cfg.Gate.Allow(c.path.Remote, c.path.Protocol) {
		return true
	}
	c.t.Counts.Refused.Add(1)
	tick := time.NewTicker(heldPause)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			return false
		case <-tick.C:
		}
		if c.t.cfg.Gate.Allow(c.path.Remote, c.path.Protocol) {
			return true
		}
	}
}

// next frames one message (RFC 3261 18.3), answering keep-alives (RFC 5626
// 4.4.1) on the way: a double CRLF between messages draws a single one.
func (c *conn) next(r *bufio.Reader) ([]byte, error) {
	crlf := 0
	for {
		b, err := r.Peek(1)
		if err != nil {
			return nil, err
		}
		if b[0] != '\r' && b[0] != '\n' {
			break
		}
		_, _ = r.Discard(1)
		if b[0] == '\n' {
			if crlf++; crlf == 2 {
				crlf = 0
				_ = c.send([]byte("\r\n"), c.path)
			}
			_ = c.nc.SetReadDeadline(time.Now().Add(c.patience()))
		}
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(messageTime))
	return Frame(r)
}

// ErrTooLarge is the end of a connection whose message passes MaxMessage.
var ErrTooLarge = fmt.Errorf("message of more than %d bytes", MaxMessage)

// ErrNoLength is the end of a connection whose message does not say how long
// it is (RFC 3261 20.14: it must, on a stream).
var ErrNoLength = errors.New("no Content-Length that is a number")

// Frame reads one message from a stream: headers, an empty line, and as many
// bytes as Content-Length says.
func Frame(r *bufio.Reader) ([]byte, error) {
	var msg []byte
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if msg = append(msg, line...); len(msg) > MaxMessage {
			return nil, ErrTooLarge
		}
		if err != nil {
			continue // the rest of a long line
		}
		whole := lastLine(msg)
		if len(whole) == 0 {
			break
		}
		if n, ok := contentLength(whole); ok {
			if length >= 0 && n != length {
				return nil, ErrNoLength // two that differ: no way to tell where it ends
			}
			length = n
		}
	}
	if length < 0 {
		return nil, ErrNoLength
	}
	if len(msg)+length > MaxMessage {
		return nil, ErrTooLarge
	}
	head := len(msg)
	msg = append(msg, make([]byte, length)...)
	_, err := io.ReadFull(r, msg[head:])
	return msg, err
}

// lastLine gives the line that msg ends with, without its CRLF.
func lastLine(msg []byte) []byte {
	msg = bytes.TrimSuffix(bytes.TrimSuffix(msg, []byte("\n")), []byte("\r"))
	return msg[bytes.LastIndexByte(msg, '\n')+1:]
}

func contentLength(line []byte) (int, bool) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return 0, false
	}
	name = bytes.TrimSpace(name)
	if !bytes.EqualFold(name, []byte("Content-Length")) && !bytes.EqualFold(name, []byte("l")) {
		return 0, false
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
	if err != nil || n < 0 {
		return MaxMessage + 1, true // refused as too large
	}
	return n, true
}

// Dial gives a path over a connection to remote that we opened, a standing one
// if there is one, and calls done on another goroutine. name is verified on
// TLS: the host that was asked for, whatever address it resolved to (RFC 5922).
func (t *Transport) Dial(proto Protocol, remote netip.AddrPort, name string, done func(Path, error)) {
	key := dialKey{proto, remote, name}
	t.mu.Lock()
	c := t.dialled[key]
	t.mu.Unlock()
	t.goRun(func() {
		if c != nil && c.alive() {
			done(c.path, nil)
			return
		}
		c, err := t.dial(key)
		if err != nil {
			done(Path{}, fmt.Errorf("connect to %s %s: %w", proto, remote, err))
			return
		}
		done(c.path, nil)
	})
}

func (t *Transport) dial(key dialKey) (*conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, dialTime)
	defer cancel()
	nc, err := t.cfg.Network.Dial(ctx, key.remote)
	if err != nil {
		return nil, err
	}
	if key.proto == TLS {
		client := &tls.Config{ServerName: key.name, MinVersion: tls.VersionTLS12}
		if t.cfg.TLS != nil {
			client.RootCAs = t.cfg.TLS.RootCAs
		}
		tc := tls.Client(nc, client)
		if err := tc.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, err
		}
		nc = tc
	}
	c := t.newConn(nc, key.proto, key)
	t.start(c)
	return c, nil
}

// Connection finds the standing connection with an ID, for a binding that was
// made over it.
func (t *Transport) Connection(id uint64) (Path, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.conns[id]; c != nil {
		return c.path, true
	}
	return Path{}, false
}
