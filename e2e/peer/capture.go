package peer

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Capture is the RTP that passes an interface, as the cable has it.
type Capture struct {
	fd int
	wg sync.WaitGroup

	mu   sync.Mutex // guards what follows
	seen []captured
}

// captured is a packet with where it goes.
type captured struct {
	Packet
	to       netip.AddrPort
	extended bool // its header is
}

// CaptureRTP sees all RTP that goes in and out of an interface of a namespace until
// the test ends. It takes for RTP what is UDP with the version of RTP and the
// payload type of sound.
func CaptureRTP(t testing.TB, ns Netns, name string) *Capture {
	t.Helper()
	type result struct {
		fd  int
		err error
	}
	results := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := ns.enter(); err != nil {
			results <- result{err: err}
			return
		}
		fd, err := packetSocket(name)
		results <- result{fd, err}
	}()
	r := <-results
	if r.err != nil {
		t.Fatalf("capture on %s: %v", name, r.err)
	}
	c := &Capture{fd: r.fd}
	done := make(chan struct{})
	c.wg.Go(func() { c.read(done) })
	t.Cleanup(func() {
		close(done)
		c.wg.Wait()
		_ = unix.Close(c.fd)
	})
	return c
}

func packetSocket(name string) (int, error) {
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8 // in network order
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	// Of no protocol until it is bound: before, it would see all interfaces, and what
	// comes by a VLAN twice.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}); err != nil {
		return 0, err
	}
	wait := unix.NsecToTimeval(int64(earPoll))
	return fd, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
}

func (c *Capture) read(done chan struct{}) {
	b := make([]byte, 1<<16)
	for {
		select {
		case <-done:
			return
		default:
		}
		n, _, err := unix.Recvfrom(c.fd, b, 0)
		if err != nil {
			continue // nothing in time
		}
		if k, ok := parseCaptured(b[:n]); ok {
			c.mu.Lock()
			c.seen = append(c.seen, k)
			c.mu.Unlock()
		}
	}
}

// parseCaptured reads an IP packet without options.
func parseCaptured(b []byte) (k captured, ok bool) {
	const udp = 17
	var host netip.Addr
	switch {
	case len(b) >= 40 && b[0] == 0x45 && b[9] == udp:
		host, _ = netip.AddrFromSlice(b[16:20])
		b = b[20:]
	case len(b) >= 60 && b[0]>>4 == 6 && b[6] == udp:
		host, _ = netip.AddrFromSlice(b[24:40])
		b = b[40:]
	default:
		return k, false
	}
	port, b := binary.BigEndian.Uint16(b[2:]), b[8:]
	if len(b) < rtpHeader || b[0]>>6 != 2 || b[1]&^markerBit >= 64 { // RTCP, telephone events
		return k, false
	}
	const extension = 0x10
	k.to, k.extended = netip.AddrPortFrom(host, port), b[0]&extension != 0
	k.Packet = Packet{
		At: time.Now(), PT: b[1] &^ markerBit, Marker: b[1]&markerBit != 0, Seq: binary.BigEndian.Uint16(b[2:]),
		Time: binary.BigEndian.Uint32(b[4:]), SSRC: binary.BigEndian.Uint32(b[8:]), Payload: append([]byte(nil), b[rtpHeader:]...),
	}
	return k, true
}

func (c *Capture) packets() []captured {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]captured(nil), c.seen...)
}

// AwaitMore waits until so many packets more have passed.
func (c *Capture) AwaitMore(t testing.TB, n int) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(earPoll)
	defer ticker.Stop()
	for want := len(c.packets()) + n; len(c.packets()) < want; {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%d packets passed, want %d", len(c.packets()), want)
		}
	}
}

// Extended counts the packets to a host whose header has an extension.
func (c *Capture) Extended(host string) (n int) {
	for _, k := range c.packets() {
		if k.extended && k.to.Addr().String() == host {
			n++
		}
	}
	return n
}

// Wrong says what is wrong with the packets to a host as one stream: SSRC, sequence
// numbers that lack, times that go back. Digits take the place of sound in the
// sequence.
func (c *Capture) Wrong(host string) (wrong []string) {
	var last *captured
	for _, k := range c.packets() {
		if k.to.Addr().String() != host {
			continue
		}
		if last != nil {
			switch {
			case k.SSRC != last.SSRC:
				wrong = append(wrong, fmt.Sprintf("SSRC %x after %x", k.SSRC, last.SSRC))
			case int16(k.Seq-last.Seq) <= 0 || int32(k.Time-last.Time) <= 0:
				wrong = append(wrong, fmt.Sprintf("packet %d of time %d after %d of %d", k.Seq, k.Time, last.Seq, last.Time))
			case k.At.Sub(last.At) > time.Second:
				wrong = append(wrong, fmt.Sprintf("%v of silence before packet %d", k.At.Sub(last.At), k.Seq))
			}
		}
		last = &k
	}
	if last == nil {
		wrong = append(wrong, "no packet")
	}
	return wrong
}
