package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
)

// Names that the kernel's tools show. The map's ends in the version of its
// layout: a process that knows another makes its own.
const (
	programName = "tincan_rtp"
	mapName     = "tincan_rtp_1"
	mapPin      = "streams"
)

// Config is what a Relay needs.
type Config struct {
	// First and Last bound the ports of RTP, both included.
	First, Last uint16
	// Folder is where the map and the links are pinned, in a bpf file system
	// (FolderFor), so that they outlive the process. Empty: they end with it.
	Folder string
	// Classic takes clsact even where the kernel has TCX.
	Classic bool
	// Logger may be nil.
	Logger *slog.Logger
}

// Relay carries streams in the kernel. Its methods may be called by any
// goroutine.
type Relay struct {
	config  Config
	log     *slog.Logger
	table   *Table
	streams *ebpf.Map
	memory  []byte
	attach  attacher
	events  *os.File // netlink, of what changes
	watcher sync.WaitGroup

	mu     sync.Mutex // guards what follows
	hooks  map[int]hook
	mtus   map[int]uint32
	failed map[int]bool // interfaces that refused, told once
	banned []netip.Prefix
}

// Open loads the program, takes over what an earlier process pinned in the same
// folder, and attaches to all interfaces that have an address. Streams that were
// carried go on being carried until Disown.
func Open(c Config) (*Relay, error) {
	r := &Relay{
		config: c, log: c.Logger,
		hooks: map[int]hook{}, mtus: map[int]uint32{}, failed: map[int]bool{},
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if err := r.open(); err != nil {
		if left := r.release(); left != nil {
			r.log.Debug("kernel relay: close", "error", left)
		}
		return nil, explain(err)
	}
	return r, nil
}

func (r *Relay) open() (err error) {
	pairs := (int(r.config.Last) + 1 - int(r.config.First)) / 2
	if err = r.openMap(tableSize(pairs)); err != nil {
		return err
	}
	if r.memory, err = mapped(r.streams, tableSize(pairs)*slotSize); err != nil {
		return err
	}
	r.table = newTable(r.config.First, r.memory)
	r.table.live(monotonic())
	program, err := load(r.config.First, pairs, r.streams)
	if err != nil {
		return err
	}
	r.attach = attacher{program: program, folder: r.config.Folder, classic: r.config.Classic, handle: handleOf(r.config)}
	if r.events, err = subscribe(); err != nil {
		return err
	}
	r.scan()
	if len(r.hooks) == 0 {
		return errors.New("no interface takes the program")
	}
	r.watcher.Go(r.watch)
	return nil
}

// Now is the clock of Counts.At.
func (r *Relay) Now() time.Duration { return monotonic() }

// Carry has the kernel carry a stream from the next packet on. It fails with
// ErrNotStanding, or tells for people why the kernel cannot.
func (r *Relay) Carry(s Stream) (*Carried, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isBanned(s.Remote.Addr()) || r.isBanned(s.To.Addr()) {
		return nil, errors.New("a party's address is banned")
	}
	if encrypts() {
		return nil, errors.New("this machine encrypts packets by IPsec policies")
	}
	out, err := r.route(s.To.Addr())
	if err != nil {
		return nil, err
	}
	in, err := r.route(s.Remote.Addr())
	if err != nil {
		return nil, err
	}
	if (in.ifindex == 0) != (out.ifindex == 0) {
		return nil, errors.New("one party is on this machine, the other is not")
	}
	return r.table.carry(s, out)
}

// route finds the way out. Called with mu held.
func (r *Relay) route(to netip.Addr) (route, error) {
	ifindex, local, err := findRoute(to)
	if err != nil {
		return route{}, err
	}
	if local {
		return route{mtu: localMTU}, nil
	}
	mtu, known := r.mtus[int(ifindex)]
	if !known {
		return route{}, fmt.Errorf("packets to %v leave by an interface that is not served", to)
	}
	return route{ifindex: ifindex, mtu: mtu}, nil
}

// localMTU is that of the loopback.
const localMTU = 65536

// Standing gives the stream that an earlier process left carried at a port, and
// that nobody has taken over yet.
func (r *Relay) Standing(port uint16) (Stream, bool) { return r.table.standing(port) }

// Disown stops what an earlier process left carried and this one has not taken
// over: call it when all calls are adopted.
func (r *Relay) Disown() {
	if n := r.table.disown(); n > 0 {
		r.log.Info("kernel relay: stopped streams of calls that are over", "streams", n)
	}
}

// Ban stops what comes from or goes to a network, and carries nothing for it
// until Allow: what the kernel carries passes before any firewall sees it.
func (r *Relay) Ban(network netip.Prefix) {
	network = network.Masked()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.banned, network) {
		r.banned = append(r.banned, network)
	}
	for _, c := range r.table.carried() {
		if network.Contains(c.Stream.Remote.Addr()) || network.Contains(c.Stream.To.Addr()) {
			c.Stop()
		}
	}
}

// Allow takes a Ban back.
func (r *Relay) Allow(network netip.Prefix) {
	network = network.Masked()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.banned = slices.DeleteFunc(r.banned, func(p netip.Prefix) bool { return p == network })
}

func (r *Relay) isBanned(a netip.Addr) bool {
	return slices.ContainsFunc(r.banned, func(p netip.Prefix) bool { return p.Contains(a) })
}

// String tells for people how the program is attached and what it carries.
func (r *Relay) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	means := "TCX"
	if r.attach.classic {
		means = "clsact"
	}
	pins := "it outlives the process"
	if r.config.Folder == "" {
		pins = "it ends with the process"
	}
	return fmt.Sprintf("by %s at %d interfaces, %d streams; %s", means, len(r.hooks), len(r.table.carried()), pins)
}

// Close stops all streams and removes program, links and map.
func (r *Relay) Close() error {
	if r.events != nil {
		_ = r.events.Close()
	}
	r.watcher.Wait()
	r.table.disown()
	r.stopAll()
	var errs []error
	r.mu.Lock()
	for _, h := range r.hooks {
		errs = append(errs, h.detach())
	}
	r.hooks = map[int]hook{}
	r.mu.Unlock()
	if r.config.Folder != "" {
		errs = append(errs, clear(r.config.Folder))
	}
	return errors.Join(append(errs, r.release())...)
}

func (r *Relay) stopAll() {
	for _, c := range r.table.carried() {
		c.Stop()
	}
}

// release gives descriptors back; what is pinned stays.
func (r *Relay) release() error {
	var errs []error
	if r.attach.program != nil {
		errs = append(errs, r.attach.program.Close())
	}
	if r.streams != nil {
		errs = append(errs, r.streams.Close())
	}
	return errors.Join(errs...)
}
