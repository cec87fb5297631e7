// Package transport carries SIP messages over UDP, TCP and TLS (RFC 3261 18), and
// over WebSockets (RFC 7118) that an HTTP server hands over.
//
//	socket -> gate -> frame -> parse -> Handler
//	Send(Path, bytes) -> the same socket or connection, from the same address
//
// Goroutines: one a UDP socket, one a listener, two a connection (reader and
// writer). A message is handed over on the goroutine that read it, so that
// what one peer sends over one path arrives in its order; the handler must
// not block. A Path names the way a message came, and sends the answer back
// that way: from the address that the peer spoke to, over the connection that
// the peer opened, never over somebody else's.
package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	wire "github.com/emiago/sipgo/sip"
)

// Bounds on what strangers may make us keep.
const (
	MaxMessage      = 64 << 10 // bytes of a message, as of a datagram
	maxQueued       = 256      // messages waiting to be written to one connection
	handshakeTime   = 10 * time.Second
	dialTime        = 8 * time.Second
	writeTime       = 10 * time.Second
	messageTime     = 20 * time.Second // a message once begun must be whole within
	deadTime        = 20 * time.Second // of one whose peer acknowledges nothing: a phone in a lift keeps its flow
	idleTime        = 2 * time.Hour    // of a connection on which nothing comes; a phone may register once an hour
	strangerIdle    = 32 * time.Second // of one whose peer has not proved himself: what a transaction takes
	dialledIdleTime = 5 * time.Minute  // of one that we opened and that nothing came over yet
)

// Protocol is the transport protocol of a Path.
type Protocol string

// The protocols, as Via and URI parameters write them in lower case.
const (
	UDP Protocol = "udp"
	TCP Protocol = "tcp"
	TLS Protocol = "tls"
	WSS Protocol = "wss" // WebSocket over TLS; URIs call it ws (RFC 7118 5.3)
)

// Reliable reports whether the transport retransmits by itself.
func (p Protocol) Reliable() bool { return p != UDP }

// Path is the way between one of our sockets and a peer. It is comparable and
// may be kept; a Path over a connection dies with it.
type Path struct {
	Protocol Protocol
	Local    netip.AddrPort // the address of ours that the peer speaks to
	Remote   netip.AddrPort
	via      sender
}

type sender interface {
	send(b []byte, p Path) error
	id() uint64
	alive() bool
}

// ID tells connections apart, 0 for UDP. It is unique within a process.
func (p Path) ID() uint64 {
	if p.via == nil {
		return 0
	}
	return p.via.id()
}

// Valid reports whether the path leads anywhere: its connection stands.
func (p Path) Valid() bool { return p.via != nil && p.via.alive() }

// Gate is asked before anything of a peer is parsed, a connection accepted, and is
// told afterwards what became of it; package gate has one. It must not block.
type Gate interface {
	Allow(peer netip.AddrPort, proto Protocol) bool
	Report(f Fact)
}

// Fact is what became of something that a Gate let in.
type Fact struct {
	Peer     netip.AddrPort
	Protocol Protocol
	Kind     FactKind
}

// FactKind says what a Fact is.
type FactKind uint8

// The facts. What is reported as none of these was an honest stranger's.
const (
	Useful      FactKind = iota // belongs to a dialog or a transaction of ours
	Proved                      // a right digest, or a trunk's address
	WrongSecret                 // a wrong digest, or one for nobody
	Junk                        // is no SIP message
)

// Handler takes what arrived. It must not block and owns m. Size is in bytes.
type Handler func(m wire.Message, p Path, size int)

// Tracer sees every message in and out as bytes that it must not keep.
type Tracer func(out bool, p Path, b []byte)

// Config is what a Transport depends on. Gate, Trace and Closed may be nil;
// Network nil is the machine's.
type Config struct {
	Network Network
	Handler Handler
	Gate    Gate
	Trace   Tracer
	Closed  func(Path) // a connection ended
	// KeepAlive says who may use our UDP ports as a STUN server; nil: nobody.
	KeepAlive func(netip.AddrPort) bool
	TLS       *tls.Config
	Logger    *slog.Logger
}

// Counts are totals since start.
type Counts struct {
	Received, Sent, Malformed, Junk, Refused atomic.Uint64
	Conns                                    atomic.Int64
}

// Transport owns the sockets. All methods may be called from any goroutine.
type Transport struct {
	cfg    Config
	parser *wire.Parser
	Counts Counts
	crowd  crowd
	nextID atomic.Uint64
	wg     sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	udp     []*udpSocket
	closers []func() error
	conns   map[uint64]*conn
	dialled map[dialKey]*conn
}

type dialKey struct {
	proto  Protocol
	remote netip.AddrPort
	name   string
}

// ErrNoSocket means that no socket of ours can reach the address.
var ErrNoSocket = errors.New("no SIP socket of this address family is open")

// New makes a Transport without sockets.
func New(cfg Config) *Transport {
	if cfg.Network == nil {
		cfg.Network = kernelNetwork{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Transport{
		cfg: cfg, parser: wire.NewParser(), ctx: ctx, cancel: cancel,
		conns: map[uint64]*conn{}, dialled: map[dialKey]*conn{}, crowd: crowd{of: map[netip.Addr]*group{}},
	}
}

// Close ends all sockets and connections and waits for their goroutines.
func (t *Transport) Close() error {
	t.cancel()
	t.mu.Lock()
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c())
	}
	for _, c := range t.conns {
		c.close()
	}
	t.mu.Unlock()
	t.wg.Wait()
	return errors.Join(errs...)
}

// Send writes a message. Over UDP it fails when the kernel refuses; over a
// connection it is queued, and fails when the connection is gone or stuck.
func (t *Transport) Send(p Path, b []byte) error {
	if p.via == nil {
		return ErrNoSocket
	}
	if t.cfg.Trace != nil {
		t.cfg.Trace(true, p, b) // before the answer to it can be traced
	}
	if err := p.via.send(b, p); err != nil {
		return fmt.Errorf("send to %s %s: %w", p.Protocol, p.Remote, err)
	}
	t.Counts.Sent.Add(1)
	return nil
}

// receive hands a message on. Its error ends a stream: what came was neither a
// message nor a request that could be answered.
func (t *Transport) receive(b []byte, p Path) error {
	if t.cfg.Trace != nil {
		t.cfg.Trace(false, p, b)
	}
	m, err := parse(t.parser, b)
	if err != nil {
		t.Counts.Malformed.Add(1)
		t.report(p, Junk)
		t.cfg.Logger.Debug("malformed SIP message dropped", "from", p.Remote, "transport", p.Protocol, "bytes", len(b), "error", short(err))
		if answer := refusal(b, err); answer != nil {
			return t.Send(p, answer)
		}
		return err
	}
	t.Counts.Received.Add(1)
	t.cfg.Handler(m, p, len(b))
	return nil
}

func (t *Transport) report(p Path, kind FactKind) {
	if t.cfg.Gate != nil {
		t.cfg.Gate.Report(Fact{p.Remote, p.Protocol, kind})
	}
}

// short keeps what a stranger wrote out of the log.
func short(err error) string {
	s := err.Error()
	if len(s) > 120 {
		s = s[:120] + "..."
	}
	return fmt.Sprintf("%q", s)
}

// parse reads one whole message and makes sure that the headers every part of
// the server relies on are there (RFC 3261 8.1.1), so that nothing after it
// needs to ask.
func parse(p *wire.Parser, b []byte) (m wire.Message, err error) {
	defer func() { // a parser of others, fed by strangers
		if r := recover(); r != nil {
			err = fmt.Errorf("parser failed: %v", r)
		}
	}()
	if b, err = tidy(b); err != nil {
		return nil, err
	}
	m, err = p.ParseSIP(b)
	if err != nil {
		return nil, err
	}
	return m, whole(m)
}

// whole makes sure of the headers that every part of the server relies on (RFC
// 3261 8.1.1).
func whole(m wire.Message) error {
	switch {
	case m.Via() == nil:
		return bad("no Via")
	case m.From() == nil:
		return bad("no From")
	case m.To() == nil:
		return bad("no To")
	case m.CallID() == nil || len(*m.CallID()) == 0:
		return bad("no Call-ID")
	case m.CSeq() == nil:
		return bad("no CSeq")
	}
	if name := twice(m); name != "" {
		return bad("%s comes twice", name)
	}
	if req, ok := m.(*wire.Request); ok && req.Method != m.CSeq().MethodName {
		return bad("the method is another in CSeq")
	}
	return nil
}

// twice finds a header that must be single (RFC 3261 7.3.1, table 2) and is not:
// who reads the message and who sent it may think of different ones.
func twice(m wire.Message) string {
	list, ok := m.(interface{ Headers() []wire.Header })
	if !ok {
		return ""
	}
	var from, to, id, seq, length, forwards int
	for _, h := range list.Headers() {
		var n *int
		switch h.(type) {
		case *wire.FromHeader:
			n = &from
		case *wire.ToHeader:
			n = &to
		case *wire.CallIDHeader:
			n = &id
		case *wire.CSeqHeader:
			n = &seq
		case *wire.ContentLengthHeader:
			n = &length
		case *wire.MaxForwardsHeader:
			n = &forwards
		default:
			continue
		}
		if *n++; *n > 1 {
			return h.Name()
		}
	}
	return ""
}

// tidy looks at the headers before the parser does. Text that is not UTF-8 (RFC
// 3261 25.1 wants it, old phones write names in Latin-1) is replaced, as no
// database takes it.
func tidy(b []byte) ([]byte, error) {
	head := headOf(b)
	if err := bounded(head); err != nil {
		return nil, err
	}
	if utf8.Valid(head) {
		return b, nil
	}
	return append(bytes.ToValidUTF8(head, []byte("?")), b[len(head):]...), nil
}

// goRun starts a goroutine that Close waits for.
func (t *Transport) goRun(f func()) {
	t.wg.Add(1)
	go func() {
		defer t.wg.Done()
		f()
	}()
}
