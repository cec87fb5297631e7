package ice

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pion/transport/v4"
)

// dialTime bounds how long a relay is dialled: longer than anybody waits for it.
const dialTime = 10 * time.Second

// leash holds what an agent has open towards relays while it gathers. pion waits for
// a relay that does not answer, for eight seconds by UDP and minutes by TCP, when it is
// closed too, unless what it sends by is gone.
type leash struct {
	context.Context
	cancel context.CancelFunc

	mu   sync.Mutex // guards what follows
	held []io.Closer
	gone bool
}

func newLeash() *leash {
	l := &leash{}
	l.Context, l.cancel = context.WithCancel(context.Background())
	return l
}

// hold keeps something to close.
func (l *leash) hold(c io.Closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		_ = c.Close()
		return
	}
	l.held = append(l.held, c)
}

// cut closes all of it, now and from now on.
func (l *leash) cut() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	for _, c := range l.held {
		_ = c.Close()
	}
	l.held = nil
}

// ListenPacket opens a socket to ask a relay from.
func (n localNet) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := n.shared.ListenPacket(network, address)
	if err == nil {
		n.leash.hold(c)
	}
	return c, err
}

// DialTCP connects to a relay.
func (n localNet) DialTCP(network string, from, to *net.TCPAddr) (transport.TCPConn, error) {
	d := net.Dialer{Timeout: dialTime}
	if from != nil {
		d.LocalAddr = from
	}
	c, err := d.DialContext(n.leash, network, to.String())
	if err != nil {
		return nil, err
	}
	n.leash.hold(c)
	return c.(*net.TCPConn), nil
}
