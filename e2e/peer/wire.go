package peer

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Wire carries TCP connections from an address of its own to another, and can be
// cut: those that stand end, and no new one is made until it is mended.
type Wire struct {
	Address string // host:port to connect to
	to      string

	mu    sync.Mutex // guards what follows
	cut   bool
	ends  map[net.Conn]bool
	pongs int
	alter func([]byte) []byte
}

// StartWire starts one.
func StartWire(t testing.TB, to string) *Wire {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(localhost, "0"))
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Address: listener.Addr().String(), to: to, ends: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.carry(conn, &all) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		w.Cut()
		all.Wait()
	})
	return w
}

// carry carries one connection.
func (w *Wire) carry(near net.Conn, all *sync.WaitGroup) {
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		_ = near.Close()
		return
	}
	if !w.joined(near, far) {
		return
	}
	all.Go(func() { w.copy(far, altered{near, w}) })
	w.copy(near, listener{far, w})
}

// Alter has a function change what is sent to the far end, as it is read: on this
// machine a message of SIP, in one piece. It must not make it longer.
func (w *Wire) Alter(f func([]byte) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alter = f
}

// altered is the near end.
type altered struct {
	net.Conn
	w *Wire
}

func (a altered) Read(b []byte) (int, error) {
	n, err := a.Conn.Read(b)
	a.w.mu.Lock()
	alter := a.w.alter
	a.w.mu.Unlock()
	if alter != nil {
		n = copy(b, alter(b[:n]))
	}
	return n, err
}

// pong is the answer to a keep-alive on a connection (RFC 5626 3.5.1).
const pong = "\r\n"

// listener is an end whose keep-alives are counted as they are read: nobody sends
// them with anything else.
type listener struct {
	net.Conn
	w *Wire
}

func (l listener) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if string(b[:n]) == pong {
		l.w.mu.Lock()
		l.w.pongs++
		l.w.mu.Unlock()
	}
	return n, err
}

// Pongs is how many keep-alives were answered.
func (w *Wire) Pongs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pongs
}

// joined keeps both ends, or closes them if the wire is cut.
func (w *Wire) joined(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range ends {
		if w.cut {
			_ = c.Close()
		} else {
			w.ends[c] = true
		}
	}
	return !w.cut
}

// copy carries one way, and ends the other with it.
func (w *Wire) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from) // ends when either end does
	_ = to.Close()
	_ = from.Close()
}

// Cut ends all connections, and refuses new ones.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.ends {
		_ = c.Close()
	}
	clear(w.ends)
}

// Leaves reports whether a connection that it carries comes from a port of this host.
func (w *Wire) Leaves(port int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.ends {
		if c.LocalAddr().(*net.TCPAddr).Port == port {
			return true
		}
	}
	return false
}

// Mend lets connections be made again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}
