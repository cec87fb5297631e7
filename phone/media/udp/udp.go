// Package udp moves media's datagrams between sockets and memory without a
// goroutine a socket. A standing call costs two small structures here.
//
//	sockets of a party      RTP :even   RTCP :odd
//	                            \       /
//	inner epoll, one a core    level-triggered; data: the port
//	                                |
//	Go's own poller            watches the inner epoll alone
//	                                |
//	reader goroutine           for each ready socket: Handler.Readable, once
//
// One datagram is read from each ready socket before any gets its second turn,
// so that no party can starve another; level triggering brings the socket back
// at once. Sockets are non-blocking and are read and written by raw system
// calls with this package's own address structures: nothing is allocated a
// packet.
//
// Goroutines: one reader for each CPU that Go uses, from New to Close. All
// ready calls of one port pair come from the same reader.
package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
)

// MaxDatagram is the length of a reader's buffer: the largest UDP payload.
const MaxDatagram = 65535

// Handler is told, by a reader, that a socket of its pair has a datagram.
type Handler interface {
	// Readable should Recv one datagram. The buffer is the reader's, with
	// MaxDatagram bytes, free to use until Readable returns. It must not
	// block.
	Readable(control bool, buf []byte)
}

// Buffers gives the kernel's receive buffers in bytes; the kernel doubles the
// number for its own bookkeeping and caps it at net.core.rmem_max.
type Buffers struct {
	Media, Control int
}

// Poller owns the readers. Its methods may be called by any goroutine.
type Poller struct {
	readers []*reader
	// handlers by port/2: 32,768 slots of one word, of which only the pages
	// in use take memory.
	handlers []atomic.Pointer[Handler]
}

// New starts the readers.
func New() (*Poller, error) {
	p := &Poller{handlers: make([]atomic.Pointer[Handler], 1<<15)}
	for range runtime.GOMAXPROCS(0) {
		r, err := newReader(p)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.readers = append(p.readers, r)
	}
	return p, nil
}

// Close stops the readers and waits for them. Pairs still open are the
// callers' to close.
func (p *Poller) Close() error {
	var errs []error
	for _, r := range p.readers {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// Open binds an even port for RTP and the next for RTCP to an address and
// hands what arrives to h. The error is the kernel's (syscall.EADDRINUSE when
// someone has one of them), wrapped with the address.
func (p *Poller) Open(bind netip.Addr, port uint16, buffers Buffers, h Handler) (*Pair, error) {
	if port == 0 || port%2 != 0 {
		return nil, fmt.Errorf("udp: port %d is not even: RTP takes an even port, RTCP the next", port)
	}
	pair := &Pair{reader: p.readers[int(port/2)%len(p.readers)], port: port}
	var err error
	if pair.media, err = listen(netip.AddrPortFrom(bind, port), buffers.Media); err != nil {
		return nil, err
	}
	if pair.control, err = listen(netip.AddrPortFrom(bind, port+1), buffers.Control); err != nil {
		return nil, errors.Join(err, pair.media.close())
	}
	slot := &p.handlers[port/2]
	if !slot.CompareAndSwap(nil, &h) {
		return nil, errors.Join(fmt.Errorf("udp: port %d is open already", port), pair.media.close(), pair.control.close())
	}
	pair.slot = slot
	if err := pair.watch(); err != nil {
		return nil, errors.Join(err, pair.Close())
	}
	return pair, nil
}

// Pair is two open sockets. Recv, Send and Close must not overlap: the owner's
// lock keeps them apart.
type Pair struct {
	reader         *reader
	slot           *atomic.Pointer[Handler]
	media, control socket
	port           uint16
	closed         bool
}

func (p *Pair) watch() error {
	return errors.Join(p.reader.watch(p.media, p.port), p.reader.watch(p.control, p.port+1))
}

// Port is the even one.
func (p *Pair) Port() uint16 { return p.port }

func (p *Pair) socket(control bool) *socket {
	if control {
		return &p.control
	}
	return &p.media
}

// Recv takes a datagram; false when there is none.
func (p *Pair) Recv(control bool, buf []byte) (n int, from netip.AddrPort, ok bool) {
	if p.closed {
		return 0, from, false
	}
	return p.socket(control).recv(buf)
}

// Send hands a datagram to the kernel. A full buffer or an unreachable party
// is an error that passes: the packet is lost as it could be on the way.
func (p *Pair) Send(control bool, b []byte, to netip.AddrPort) error {
	if p.closed {
		return errClosed
	}
	return p.socket(control).send(b, to)
}

var errClosed = errors.New("udp: send on a closed port")

// Close gives the ports back. Closing again does nothing.
func (p *Pair) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	p.slot.Store(nil)
	// Closing takes the sockets out of the epoll set.
	return errors.Join(p.media.close(), p.control.close())
}
