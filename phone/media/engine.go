package media

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"tincan/phone/media/quality"
	"tincan/phone/media/udp"
)

// Config is what an Engine needs.
type Config struct {
	// First and Last bound the ports, both included. RTP takes even ports
	// and RTCP the next.
	First, Last uint16
	// Logger may be nil.
	Logger *slog.Logger
	// Timeout is how long a party that should be sending may be silent until
	// Events.Dead; 0: for ever.
	Timeout time.Duration
	// Network is where ports are; nil: the machine's.
	Network Network
	// Kernel carries what is only handed on; nil: it all goes through the process,
	// and NoKernel says why, for those who ask about a call. Empty: nobody wants to
	// know.
	Kernel   Kernel
	NoKernel string
}

// Events are told from the engine's goroutines, with no lock held, and must
// not block. Any may be nil.
type Events struct {
	// Digit tells a key that the party pressed and that the bridge could not
	// pass on as a telephone event, once, when it ends.
	Digit func(Digit)
	// Dead tells, once, that media which should come does not.
	Dead func()
	// Trouble tells of what users hear that begins, or is over, of a flow that is
	// judged.
	Trouble func(quality.Trouble)
	// Picture tells that a whole picture is wanted of a party that need not heed what
	// RTCP asks for; once a second at most.
	Picture func()
	// Latched tells where the party's media really comes from, each time
	// that changes.
	Latched func(netip.AddrPort)
	// Worn tells that State has to be kept again: encrypted media have come half a
	// round of their sequence number further.
	Worn func()
	// Insecure tells, once, that the party did not prove itself in a handshake
	// (secure.ErrMismatch, secure.ErrTimeout, ...): nothing passes.
	Insecure func(error)
}

// ErrNoPorts says that every pair of the range is in use.
var ErrNoPorts = errors.New("media: no free RTP port")

// Kernel receive buffers in bytes. Sound comes at 50 datagrams a second of
// which the kernel counts under 1 kB each: a second's worth. A picture comes
// as a burst.
const (
	soundBuffer   = 64 << 10
	pictureBuffer = 512 << 10
	controlBuffer = 16 << 10
)

// Engine owns the ports and the goroutines of media. Its methods may be called
// by any goroutine.
type Engine struct {
	config  Config
	log     *slog.Logger
	network Network
	epoch   time.Time
	pacer   *pacer
	scratch sync.Pool // of *[]byte, sendRoom long

	stop    chan struct{}
	sweeper sync.WaitGroup

	handshakes sync.WaitGroup

	mu     sync.Mutex
	used   map[uint16]*RTP // by even port; nil: being opened
	cursor uint16          // where the search for a free port goes on
}

// Socket is a pair of ports; *udp.Pair is one. Its calls never overlap.
type Socket interface {
	// Port is the even port, RTP's.
	Port() uint16
	// Recv takes one datagram; ok is false when there is none.
	Recv(control bool, buf []byte) (n int, from netip.AddrPort, ok bool)
	Send(control bool, b []byte, to netip.AddrPort) error
	Close() error
}

// Network opens sockets, and calls the handler from one goroutine at a time
// when there is something to Recv.
type Network interface {
	Open(bind netip.Addr, port uint16, buffers udp.Buffers, h udp.Handler) (Socket, error)
	Close() error
}

// NewEngine starts the goroutines. It errs when the range holds no pair.
func NewEngine(c Config) (*Engine, error) {
	if pairs(c) == 0 {
		return nil, badRange(c)
	}
	if c.Network == nil {
		poller, err := udp.New()
		if err != nil {
			return nil, fmt.Errorf("media: start: %w", err)
		}
		c.Network = machine{poller}
	}
	e := &Engine{
		config: c, log: c.Logger, network: c.Network, epoch: time.Now(),
		stop: make(chan struct{}), used: map[uint16]*RTP{},
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.cursor = uint16(rand.N(pairs(c)))
	e.scratch.New = func() any { b := make([]byte, sendRoom); return &b }
	e.pacer = newPacer(e.Now)
	e.sweeper.Go(e.sweep)
	return e, nil
}

func badRange(c Config) error {
	return fmt.Errorf("media: RTP ports %d-%d hold no even port with its next: give a range such as 10000-20000",
		c.First, c.Last)
}

// pairs is how many even ports with their next lie in the range.
func pairs(c Config) int {
	first, last := int(c.First)+int(c.First%2), int(c.Last)
	return max(0, (last+1-first)/2)
}

// Now is the time since the engine started, in which packets count Arrival.
func (e *Engine) Now() time.Duration { return time.Since(e.epoch) }

// Close closes all flows and ends the goroutines.
func (e *Engine) Close() error {
	for _, r := range e.flows() {
		r.Close()
	}
	close(e.stop)
	e.sweeper.Wait()
	e.handshakes.Wait()
	e.pacer.close()
	return e.network.Close()
}

// Ports tells how many pairs are in use and how many there are.
func (e *Engine) Ports() (used, total int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.used), pairs(e.config)
}

// InUse tells whether a port, RTP's or RTCP's, is a flow's.
func (e *Engine) InUse(port uint16) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, used := e.used[port&^1]
	return used
}

// Open makes a flow with a pair of ports on an address; an unspecified IPv6
// address takes IPv4 too. Port 0 means any of the range; any other, which must
// be even, exactly that one, as a restart needs it. The error is ErrNoPorts
// when the range is exhausted.
func (e *Engine) Open(kind Kind, bind netip.Addr, port uint16, ev Events) (*RTP, error) {
	r := newRTP(e, kind, ev)
	if port != 0 {
		if err := e.openExactly(r, bind, port); err != nil {
			return nil, err
		}
		return r, nil
	}
	for range pairs(e.config) {
		port, ok := e.reserve()
		if !ok {
			break
		}
		err := e.bind(r, bind, port)
		if err == nil {
			return r, nil
		}
		e.release(port)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	used, total := e.Ports()
	return nil, fmt.Errorf("%w in %d-%d (%d of %d pairs are calls): widen the range or wait for calls to end",
		ErrNoPorts, e.config.First, e.config.Last, used, total)
}

func (e *Engine) openExactly(r *RTP, bind netip.Addr, port uint16) error {
	e.mu.Lock()
	_, taken := e.used[port]
	if !taken {
		e.used[port] = nil
	}
	e.mu.Unlock()
	if taken {
		return fmt.Errorf("media: port %d is another flow's", port)
	}
	if err := e.bind(r, bind, port); err != nil {
		e.release(port)
		return err
	}
	return nil
}

// reserve takes the next port that is not in use here. Going round makes a
// port rest before its next call, so that late packets find nobody.
func (e *Engine) reserve() (uint16, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	total := pairs(e.config)
	for range total {
		port := e.config.First + e.config.First%2 + 2*e.cursor
		e.cursor = uint16((int(e.cursor) + 1) % total)
		if _, taken := e.used[port]; !taken {
			e.used[port] = nil
			return port, true
		}
	}
	return 0, false
}

func (e *Engine) bind(r *RTP, addr netip.Addr, port uint16) error {
	buffers := udp.Buffers{Media: soundBuffer, Control: controlBuffer}
	if r.kind == Video {
		buffers.Media = pictureBuffer
	}
	// A reader may call r as soon as the socket is open.
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := e.network.Open(addr, port, buffers, r)
	if err != nil {
		return fmt.Errorf("media: open port %d on %v: %w", port, addr, err)
	}
	r.sock, r.port, r.bind, r.closed = s, port, addr, false
	e.mu.Lock()
	e.used[port] = r
	e.mu.Unlock()
	return nil
}

func (e *Engine) release(port uint16) {
	e.mu.Lock()
	delete(e.used, port)
	e.mu.Unlock()
}

func (e *Engine) flows() []*RTP {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*RTP, 0, len(e.used))
	for _, r := range e.used {
		if r != nil {
			all = append(all, r)
		}
	}
	return all
}

// sweepEvery is the grain of dead media and of reports.
const sweepEvery = time.Second

// sweep looks after all flows: one ticker for the engine, not one a flow.
func (e *Engine) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-ticker.C:
		}
		now := e.Now()
		flows := e.flows()
		for _, r := range flows {
			r.sweep(now)
		}
		e.due(flows)
	}
}

// machine is the network of the machine.
type machine struct{ poller *udp.Poller }

func (m machine) Open(bind netip.Addr, port uint16, b udp.Buffers, h udp.Handler) (Socket, error) {
	pair, err := m.poller.Open(bind, port, b, h)
	if err != nil {
		return nil, err
	}
	return pair, nil
}

func (m machine) Close() error { return m.poller.Close() }
