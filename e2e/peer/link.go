package peer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Weather is what happens to packets on their way.
type Weather struct {
	Loss  float64 // share that is lost, 0 to 1
	Run   int     // that many in a row; 0: one
	Delay time.Duration
	// Jitter is added, up to so much; packets keep their order.
	Jitter time.Duration
	// Drop loses what it says, of IPv4 packets; nil: nothing.
	Drop func(packet []byte) bool
}

// Link is a cable between two network namespaces whose weather a test makes.
//
//	namespace a: tun ── read ── weather ── queue ── write ── tun: namespace b
//
// Four goroutines: a reader and a writer a direction. They end with the test.
type Link struct {
	ends [2]*os.File

	mu      sync.Mutex // guards what follows
	weather [2]Weather // of what leaves end 0, end 1
}

// linkQueue bounds the packets under way in one direction; more are lost.
const linkQueue = 4096

type delayed struct {
	due    time.Time
	packet []byte
}

// NewLink lays a cable with an address (of a /24) at each end.
func NewLink(t testing.TB, a Netns, ipA string, b Netns, ipB string) *Link {
	t.Helper()
	NeedRoot(t)
	l := &Link{ends: [2]*os.File{openTun(t, a, ipA), openTun(t, b, ipB)}}
	var wg sync.WaitGroup
	for i := range l.ends {
		queue := make(chan delayed, linkQueue)
		wg.Go(func() { defer close(queue); l.read(i, l.ends[i], queue) })
		wg.Go(func() {
			for d := range queue {
				time.Sleep(time.Until(d.due))
				_, _ = l.ends[1-i].Write(d.packet) // an end that is gone is the end of the test
			}
		})
	}
	t.Cleanup(func() {
		_, _ = l.ends[0].Close(), l.ends[1].Close()
		wg.Wait()
	})
	return l
}

// Weather changes what happens to packets from the first end, and from the second.
func (l *Link) Weather(fromA, fromB Weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = [2]Weather{fromA, fromB}
}

// Inject puts an IPv4 packet on the cable, as somebody who sits on it does: it comes
// out at an end, whatever the weather.
func (l *Link) Inject(end int, packet []byte) {
	_, _ = l.ends[end].Write(packet) // an end that is gone is the end of the test
}

func (l *Link) read(from int, end *os.File, queue chan<- delayed) {
	var last time.Time
	losing := 0
	for {
		b := make([]byte, 2048)
		n, err := end.Read(b)
		if err != nil {
			return
		}
		l.mu.Lock()
		w := l.weather[from]
		l.mu.Unlock()
		run := max(w.Run, 1)
		switch {
		case w.Drop != nil && w.Drop(b[:n]):
			continue
		case losing > 0:
			losing--
			continue
		case rand.Float64() < w.Loss/float64(run)/(1-w.Loss*(1-1/float64(run))):
			losing = run - 1
			continue
		}
		due := time.Now().Add(w.Delay)
		if w.Jitter > 0 {
			due = due.Add(rand.N(w.Jitter))
		}
		if due.Before(last) {
			due = last
		}
		last = due
		select {
		case queue <- delayed{due, b[:n]}:
		default:
		}
	}
}

// openTun makes a device in a namespace whose packets are read and written here.
func openTun(t testing.TB, n Netns, ip string) *os.File {
	t.Helper()
	type result struct {
		file *os.File
		name string
		err  error
	}
	results := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, as in Netns.Dial
		file, name, err := n.tun()
		results <- result{file, name, err}
	}()
	r := <-results
	if r.err != nil {
		t.Fatalf("a link into %s: %v", n, r.err)
	}
	for _, args := range []string{"address add " + ip + "/24 dev " + r.name, "link set " + r.name + " up"} {
		argv := append([]string{"-n", string(n)}, strings.Fields(args)...)
		if output, err := exec.Command("ip", argv...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", args, err, output)
		}
	}
	return r.file
}

func (n Netns) tun() (*os.File, string, error) {
	if err := n.enter(); err != nil {
		return nil, "", err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq("link%d")
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, "", fmt.Errorf("make a tun device: %w", err)
	}
	return os.NewFile(uintptr(fd), "tun"), request.Name(), nil
}

// UDPPorts gives the ports of a UDP packet; ok is false for what is none.
func UDPPorts(packet []byte) (from, to int, ok bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 || packet[9] != unix.IPPROTO_UDP {
		return 0, 0, false
	}
	udp := packet[4*int(packet[0]&15):]
	if len(udp) < 8 {
		return 0, 0, false
	}
	return int(udp[0])<<8 | int(udp[1]), int(udp[2])<<8 | int(udp[3]), true
}
