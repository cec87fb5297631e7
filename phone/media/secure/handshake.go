package secure

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/transport/v4/packetio"
)

// Bounds of a handshake.
const (
	// handshakeTime is how long a party has to prove itself.
	handshakeTime = 30 * time.Second
	// attemptTime is how long one attempt has: if an end of it was forged for one
	// side, only time tells the other.
	attemptTime = 8 * time.Second
	// attempts is how often a handshake that somebody broke off is begun again: a
	// stranger can forge the end of one.
	attempts = 8
	// maxTaken bounds the bytes of one attempt: a handshake has about 3 kB each way,
	// a chain of certificates ten more.
	maxTaken = 64 << 10
	// maxWaiting bounds the bytes that wait to be looked at.
	maxWaiting = 16 << 10
	// linger is how long a handshake that is over still answers: the party may not
	// have got our last word, and asks for it again (RFC 6347 4.2.4).
	linger = 32 * time.Second
	// flight is after what time a message is sent again at first.
	flight = 500 * time.Millisecond
)

// Why a handshake failed.
var (
	ErrMismatch  = errors.New("the certificate has another fingerprint than its description says")
	ErrTimeout   = errors.New("the DTLS handshake was not finished in time")
	errTooMuch   = errors.New("too much was sent")
	errNoProfile = errors.New("no way to encrypt media was agreed on")
)

// Terms are what the descriptions said of a handshake.
type Terms struct {
	Identity *Identity
	Active   bool          // we begin
	Prints   []Fingerprint // of the party; one of them must be its certificate's
}

// Same reports whether the same association goes on (RFC 8842 3.1).
func (t *Terms) Same(o *Terms) bool {
	return t.Identity == o.Identity && t.Active == o.Active &&
		slices.EqualFunc(t.Prints, o.Prints, func(a, b Fingerprint) bool { return a.Value() == b.Value() })
}

// Handshake finds keys by DTLS (RFC 5764): the party proves that it has the
// certificate of its fingerprint, and both come to keys that nobody else knows.
//
//	Take ──> packets that wait ──> dtls ──> Send
//	                                └────> Done: keys, or why not
//
// It has a goroutine, and those of the library, until it is over: half a minute
// after the keys are found, or Close. Its methods may be called by any goroutine
// and do not block.
type Handshake struct {
	config HandshakeConfig
	pipe   *pipe
	cancel context.CancelFunc
}

// HandshakeConfig is what a Handshake needs.
type HandshakeConfig struct {
	Terms
	// Send sends a datagram to the party. It is called by the handshake's
	// goroutines, and must not call the Handshake.
	Send func([]byte)
	// Done tells, once, the keys or why there are none, by the same.
	Done func(Keys, error)
	// Group has the handshake's goroutine: whoever closes it waits there.
	Group *sync.WaitGroup
}

// StartHandshake begins. It ends by itself, or by Close.
func StartHandshake(c HandshakeConfig) *Handshake {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Handshake{config: c, pipe: newPipe(c.Send), cancel: cancel}
	c.Group.Go(func() { h.run(ctx) })
	return h
}

// Take takes a datagram of the party. It is copied, or dropped if too many wait.
func (h *Handshake) Take(b []byte) { h.pipe.take(b) }

// Close ends the handshake; nothing is told after that but what is being told.
func (h *Handshake) Close() {
	h.cancel()
	h.pipe.shut()
}

func (h *Handshake) run(ctx context.Context) {
	defer h.cancel()
	conn, keys, err := h.shake(ctx)
	if conn != nil {
		h.pipe.settle()
	}
	if ctx.Err() == nil {
		h.config.Done(keys, err)
	}
	if conn == nil {
		return
	}
	if !h.config.Active { // who begins has the last word heard
		select {
		case <-ctx.Done():
		case <-time.After(linger):
		}
	}
	h.pipe.mute() // a goodbye would end the party's media too
	_ = conn.Close()
	h.pipe.shut()
}

// shake tries until there are keys, or it is of no use.
func (h *Handshake) shake(ctx context.Context) (*dtls.Conn, Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	var last error
	for range attempts {
		h.pipe.begin()
		conn, err := h.attempt(ctx)
		var keys Keys
		if err == nil {
			if keys, err = keysOf(conn, h.config.Active); err == nil {
				return conn, keys, nil
			}
		}
		h.drop(conn)
		last = err
		if errors.Is(err, ErrMismatch) || errors.Is(err, errNoProfile) || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		last = ErrTimeout
	}
	return nil, Keys{}, last
}

// drop lets go of an attempt without a word: a goodbye would end the party's too,
// which may be about to come through in the next.
func (h *Handshake) drop(conn *dtls.Conn) {
	h.pipe.mute()
	if conn != nil {
		_ = conn.Close()
	}
}

func (h *Handshake) attempt(ctx context.Context) (*dtls.Conn, error) {
	var mismatch atomic.Bool
	options := []dtls.Option{
		dtls.WithCertificates(h.config.Identity.certificate),
		dtls.WithSRTPProtectionProfiles(profiles()...),
		dtls.WithInsecureSkipVerify(true), // the fingerprint proves it
		dtls.WithFlightInterval(flight),
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) > 0 && slices.ContainsFunc(h.config.Prints, func(f Fingerprint) bool { return f.Of(raw[0]) }) {
				return nil
			}
			mismatch.Store(true)
			h.pipe.mute() // told by an alert, the party would hang up before it is told why
			return ErrMismatch
		}),
	}
	conn, err := h.dial(options)
	if err != nil {
		return nil, fmt.Errorf("DTLS: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if err = conn.HandshakeContext(ctx); err != nil {
		if mismatch.Load() {
			err = ErrMismatch
		}
		return conn, fmt.Errorf("DTLS: %w", err)
	}
	return conn, nil
}

func (h *Handshake) dial(options []dtls.Option) (*dtls.Conn, error) {
	if h.config.Active {
		var client []dtls.ClientOption
		for _, o := range options {
			client = append(client, o)
		}
		return dtls.ClientWithOptions(h.pipe, nowhere{}, client...)
	}
	server := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
	for _, o := range options {
		server = append(server, o)
	}
	return dtls.ServerWithOptions(h.pipe, nowhere{}, server...)
}

// exporter is the label of RFC 5764 4.2.
const exporter = "EXTRACTOR-dtls_srtp"

// keysOf takes the keys out of a handshake: both sides' keys, then both salts, the
// one's that began first.
func keysOf(conn *dtls.Conn, active bool) (Keys, error) {
	p, ok := conn.SelectedSRTPProtectionProfile()
	s := profiled(p)
	if !ok || s == None {
		return Keys{}, errNoProfile
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return Keys{}, errNoProfile
	}
	known := suites()[s]
	b, err := state.ExportKeyingMaterial(exporter, nil, 2*s.KeyLen())
	if err != nil {
		return Keys{}, fmt.Errorf("DTLS: %w", err)
	}
	keys, salts := b[:2*known.key], b[2*known.key:]
	first := slices.Concat(keys[:known.key], salts[:known.salt])
	second := slices.Concat(keys[known.key:], salts[known.salt:])
	if active {
		return Keys{Suite: s, Local: first, Remote: second}, nil
	}
	return Keys{Suite: s, Local: second, Remote: first}, nil
}

// alertRecord begins a record that says that something is wrong, or over (RFC 5246
// 6.2.1).
const alertRecord = 21

// pipe is the handshake's end of a flow, as the library wants it.
type pipe struct {
	waiting *packetio.Buffer
	send    func([]byte)
	quiet   atomic.Bool
	settled atomic.Bool  // there are keys
	left    atomic.Int64 // bytes that this attempt may still be given
}

func newPipe(send func([]byte)) *pipe {
	p := &pipe{waiting: packetio.NewBuffer(), send: send}
	p.waiting.SetLimitSize(maxWaiting)
	return p
}

func (p *pipe) begin() {
	p.left.Store(maxTaken)
	p.quiet.Store(false)
}

// settle is for when there are keys: whoever floods us then, or forges the end of a
// handshake that is over, must not make us say goodbye to the party.
func (p *pipe) settle() {
	p.settled.Store(true)
	p.left.Store(math.MaxInt64)
}

func (p *pipe) mute() { p.quiet.Store(true) }

func (p *pipe) shut() { _ = p.waiting.Close() }

func (p *pipe) take(b []byte) { _, _ = p.waiting.Write(b) } // when full, dropped as on the way

// ReadFrom gives the next datagram.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.waiting.Read(b)
	if err != nil {
		return n, nowhere{}, err
	}
	if p.left.Add(-int64(n)) < 0 {
		return 0, nowhere{}, errTooMuch
	}
	return n, nowhere{}, nil
}

// WriteTo sends one.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	farewell := p.settled.Load() && len(b) > 0 && b[0] == alertRecord
	if !p.quiet.Load() && !farewell {
		p.send(b)
	}
	return len(b), nil
}

// Close does nothing: the next attempt goes on with the same pipe.
func (p *pipe) Close() error { return nil }

// LocalAddr is nowhere: the flow knows.
func (p *pipe) LocalAddr() net.Addr { return nowhere{} }

// SetDeadline is SetReadDeadline: sending does not block.
func (p *pipe) SetDeadline(t time.Time) error { return p.waiting.SetReadDeadline(t) }

// SetReadDeadline ends ReadFrom at a time.
func (p *pipe) SetReadDeadline(t time.Time) error { return p.waiting.SetReadDeadline(t) }

// SetWriteDeadline does nothing.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// nowhere stands for addresses: only the flow knows them.
type nowhere struct{}

func (nowhere) Network() string { return "flow" }
func (nowhere) String() string  { return "party" }
