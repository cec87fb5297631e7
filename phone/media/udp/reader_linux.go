package udp

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// eventsPerWait bounds how many sockets one epoll_wait reports; more are
// reported by the next.
const eventsPerWait = 128

// reader is a goroutine, its epoll set and its buffer.
type reader struct {
	poller *Poller
	epoll  *os.File // owns the descriptor; Go's poller watches it
	fd     int
	done   sync.WaitGroup
}

func newReader(p *Poller) (*reader, error) {
	set, fd, err := openSet()
	if err != nil {
		return nil, err
	}
	r := &reader{poller: p, epoll: set, fd: fd}
	raw, err := r.epoll.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("udp: poll the epoll descriptor: %w", err)
	}
	r.done.Go(func() { r.run(raw) })
	return r, nil
}

// openSet opens an epoll set that Go's poller watches.
func openSet() (*os.File, int, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, 0, fmt.Errorf("udp: epoll_create1: %w", err)
	}
	// os.NewFile hands only non-blocking descriptors to Go's poller. The
	// flag means nothing else to an epoll descriptor.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("udp: set epoll non-blocking: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "epoll"), fd, nil
}

// Watch gives an epoll set with a socket alone, which can be waited for in its
// place: Go's poller would be told too whenever the socket can be written to, which
// is after each datagram that it sent.
func Watch(sock syscall.RawConn) (*os.File, error) {
	set, epoll, err := openSet()
	if err != nil {
		return nil, err
	}
	var added error
	err = sock.Control(func(fd uintptr) {
		added = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN})
	})
	if err = errors.Join(err, added); err != nil {
		return nil, errors.Join(fmt.Errorf("udp: watch a socket: %w", err), set.Close())
	}
	return set, nil
}

// close ends the goroutine and waits for it.
func (r *reader) close() error {
	err := r.epoll.Close()
	r.done.Wait()
	return err
}

func (r *reader) watch(s socket, port uint16) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(port)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(r.fd), unix.EPOLL_CTL_ADD, uintptr(s.fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("udp: watch port %d: %w", port, errno)
	}
	return nil
}

// run serves ready sockets until close. Go's poller is edge-triggered, so the
// callback asks for more until the set is empty before it gives up its turn.
func (r *reader) run(raw syscall.RawConn) {
	var (
		events [eventsPerWait]unix.EpollEvent
		buf    = make([]byte, MaxDatagram)
	)
	// The error only says that the descriptor was closed.
	_ = raw.Read(func(fd uintptr) bool {
		for {
			n := wait(int(fd), events[:])
			if n <= 0 {
				return false
			}
			for i := range events[:n] {
				r.serve(uint16(events[i].Fd), buf)
			}
		}
	})
}

func (r *reader) serve(port uint16, buf []byte) {
	if h := r.poller.handlers[port/2].Load(); h != nil {
		(*h).Readable(port%2 == 1, buf)
	}
}
