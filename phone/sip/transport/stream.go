package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one connection, accepted or dialled.
type conn struct {
	t      *Transport
	link   link
	path   Path
	serial uint64
	queue  chan []byte
	kept   atomic.Bool // who is at the other end has proved himself
	key    dialKey     // of a connection that we dialled
	place  place       // of one that we accepted, in the crowd

	once sync.Once
	done chan struct{}
}

// link carries the messages of a connection: on a stream they are framed by their
// length, on a WebSocket each is a message of its own.
type link interface {
	// greet does what comes before messages.
	greet(context.Context) error
	// next reads a message, of what comes within the connection's patience; keep-alives
	// are answered on the way.
	next(*conn) ([]byte, error)
	write(b []byte) error // within writeTime
	// linger lets a reader that waits now wait for d from now.
	linger(d time.Duration)
	Close() error
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

// welcome takes a connection in. TLS shakes hands on the connection's own goroutine,
// within a bound.
func (t *Transport) welcome(nc net.Conn, proto Protocol) {
	if proto == TLS {
		nc = tls.Server(nc, t.cfg.TLS)
	}
	t.admit(t.newConn(newStream(nc), pathOf(nc, proto), dialKey{}))
}

// admit starts a connection that was accepted, if there is room.
func (t *Transport) admit(c *conn) {
	out, ok := t.crowd.enter(c)
	if !ok {
		t.Counts.Refused.Add(1)
		_ = c.link.Close()
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

func pathOf(nc net.Conn, proto Protocol) Path {
	return Path{Protocol: proto, Local: unmapped(nc.LocalAddr()), Remote: unmapped(nc.RemoteAddr())}
}

func (t *Transport) newConn(l link, p Path, key dialKey) *conn {
	c := &conn{
		t: t, link: l, path: p, serial: t.nextID.Add(1), queue: make(chan []byte, maxQueued),
		key: key, done: make(chan struct{}),
	}
	c.path.via = c
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
		_ = c.link.Close()
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
			if err := c.link.write(b); err != nil {
				c.close()
				return
			}
		}
	}
}

func (c *conn) read() {
	defer c.forget()
	ctx, cancel := context.WithTimeout(c.t.ctx, handshakeTime)
	err := c.link.greet(ctx)
	cancel()
	if err != nil {
		c.t.cfg.Logger.Debug("TLS handshake failed", "peer", c.path.Remote, "error", short(err))
		return
	}
	for {
		msg, err := c.link.next(c)
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
	if key.proto == WSS {
		return nil, errNoWebSocket
	}
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
	c := t.newConn(newStream(nc), pathOf(nc, key.proto), key)
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
