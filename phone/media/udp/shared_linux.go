package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Bounds of a Shared.
const (
	// SharedBatch is how many datagrams one system call moves: a twentieth of a
	// second of a hundred calls, and little enough that the first does not wait.
	SharedBatch = 32
	// SharedRoom is the longest datagram that is taken whole.
	SharedRoom = 4096
	// sharedBuffer is the kernel's, in bytes: at a datagram's 800 with its
	// bookkeeping a burst of 1,300.
	sharedBuffer = 1 << 20
)

// Datagram is one of a batch.
type Datagram struct {
	Data []byte
	Peer netip.AddrPort
	// Local is the address of ours that it came to, or leaves from; the zero Addr
	// where the socket has one alone, or the kernel chooses.
	Local netip.Addr
	// Cut tells that it was longer than SharedRoom.
	Cut bool
}

// Shared is one socket for many parties, read and written in batches. Recv is for
// one goroutine, Send for any.
type Shared struct {
	file  *os.File // owns the descriptor; Go's poller watches it
	raw   syscall.RawConn
	sock  socket
	local netip.AddrPort
	wild  bool
	in    *batch
	room  []byte

	mu  sync.Mutex // guards out
	out *batch
}

// OpenShared binds a socket; port 0 takes a free one. An unspecified IPv6 address
// takes IPv4 too.
func OpenShared(at netip.AddrPort) (*Shared, error) {
	sock, err := listen(at, sharedBuffer)
	if err != nil {
		return nil, err
	}
	s := &Shared{
		sock: sock, wild: at.Addr().IsUnspecified(), file: os.NewFile(uintptr(sock.fd), "udp"),
		in: newBatch(unix.SYS_RECVMMSG), out: newBatch(unix.SYS_SENDMMSG), room: make([]byte, SharedBatch*SharedRoom),
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("udp: %v: %w", at, err), s.file.Close())
	}
	return s, nil
}

func (s *Shared) prepare() (err error) {
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return err
	}
	name, err := unix.Getsockname(s.sock.fd)
	if err != nil {
		return err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		s.local = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		s.local = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	if s.wild {
		return WantDestination(s.sock.fd, s.sock.six)
	}
	return nil
}

// Local is where the socket is bound.
func (s *Shared) Local() netip.AddrPort { return s.local }

// Close ends a Recv that waits.
func (s *Shared) Close() error { return s.file.Close() }

// Recv waits for datagrams and fills list with up to SharedBatch of them. What they
// hold is good until the next Recv. After Close it errs with os.ErrClosed.
func (s *Shared) Recv(list []Datagram) (int, error) {
	b := s.in
	b.want = min(len(list), SharedBatch)
	for i := range b.want {
		b.over(i, s.room[i*SharedRoom:(i+1)*SharedRoom], b.oob[i][:])
		b.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	for {
		if s.raw.Read(b.step) != nil { // it has no other error, and this one no name
			return 0, os.ErrClosed
		}
		if b.errno == 0 {
			break
		} // else an earlier send was refused by its peer: nothing to do with this
	}
	for i := range b.n {
		list[i] = s.taken(i)
	}
	return b.n, nil
}

func (s *Shared) taken(i int) Datagram {
	m := &s.in.msgs[i]
	at := i * SharedRoom
	d := Datagram{Data: s.room[at : at+int(m.n)], Peer: s.sock.address(&s.in.addrs[i]), Cut: m.hdr.Flags&unix.MSG_TRUNC != 0}
	if s.wild {
		d.Local = Destination(s.in.oob[i][:m.hdr.Controllen], netip.Addr{})
	}
	return d
}

// Send writes datagrams in their order. One that the kernel refuses does not keep the
// others back; the first refusal is the error.
func (s *Shared) Send(list []Datagram) (first error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(list) > 0 {
		done, err := s.send(list[:min(len(list), SharedBatch)])
		if err != nil {
			first, done = errors.Join(first, fmt.Errorf("udp: send to %v: %w", list[done].Peer, err)), done+1
		}
		list = list[done:]
	}
	return first
}

// send writes one batch, as far as it gets.
func (s *Shared) send(list []Datagram) (int, error) {
	b := s.out
	for i := range list {
		d := &list[i]
		if !s.sock.six && !d.Peer.Addr().Unmap().Is4() {
			if i == 0 {
				return 0, unix.EAFNOSUPPORT
			}
			list = list[:i]
			break
		}
		from := netip.Addr{}
		if s.wild {
			from = d.Local
		}
		b.over(i, d.Data, Source(b.oob[i][:], from, s.sock.six))
		var size uintptr
		b.addrs[i], size = s.sock.sockaddr(d.Peer)
		b.msgs[i].hdr.Namelen = uint32(size)
	}
	b.want = len(list)
	if err := s.raw.Write(b.step); err != nil {
		return 0, err
	}
	if b.errno != 0 {
		return 0, b.errno
	}
	return b.n, nil
}

// message is the kernel's struct mmsghdr.
type message struct {
	hdr unix.Msghdr
	n   uint32
}

// batch is one recvmmsg or sendmmsg, made without telling the scheduler as all calls
// here that cannot wait.
type batch struct {
	msgs  [SharedBatch]message
	iovs  [SharedBatch]unix.Iovec
	addrs [SharedBatch]unix.RawSockaddrInet6 // each holds an IPv4 address as well
	oob   [SharedBatch][ControlRoom]byte
	want  int
	n     int
	errno syscall.Errno
	trap  uintptr
	step  func(fd uintptr) bool // do, made once
}

func newBatch(trap uintptr) *batch {
	b := &batch{trap: trap}
	b.step = b.do
	for i := range b.msgs {
		h := &b.msgs[i].hdr
		h.Name, h.Iov, h.Iovlen = (*byte)(unsafe.Pointer(&b.addrs[i])), &b.iovs[i], 1
	}
	return b
}

// over sets the buffer and the control message of one.
func (b *batch) over(i int, data, oob []byte) {
	b.iovs[i].Base = unsafe.SliceData(data)
	b.iovs[i].SetLen(len(data))
	h := &b.msgs[i].hdr
	h.Control, h.Flags = unsafe.SliceData(oob), 0
	h.SetControllen(len(oob))
}

// do makes the call; false asks the poller to wait until it can be made.
func (b *batch) do(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(b.trap, fd, uintptr(unsafe.Pointer(&b.msgs)), uintptr(b.want), unix.MSG_DONTWAIT, 0, 0)
		b.n, b.errno = int(n), errno
		if errno != unix.EINTR {
			return errno != unix.EAGAIN
		}
	}
}
