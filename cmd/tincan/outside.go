package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
)

// How the public address is found when none is given.
const (
	stunServer  = "stun.cloudflare.com:3478"
	stunTime    = 3 * time.Second
	stunEvery   = 10 * time.Minute // addresses of home lines change
	stunRetries = time.Minute
)

// outside knows the address that phones outside reach us at: given, or asked
// of a STUN server (RFC 8489) in the background; invalid while unknown, and
// then the socket's own address is told.
type outside struct {
	log    *slog.Logger
	server string // STUN server
	found  func(netip.Addr)
	now    atomic.Pointer[netip.Addr]

	mu     sync.Mutex // guards what follows
	cancel context.CancelFunc
	done   chan struct{}
	given  bool // what is told was given, not found
}

func newOutside(log *slog.Logger) *outside { return &outside{log: log, server: stunServer} }

func (o *outside) addr() netip.Addr {
	if a := o.now.Load(); a != nil {
		return *a
	}
	return netip.Addr{}
}

// start begins with the address or name given, "" to ask.
func (o *outside) start(given string) {
	_ = o.close()
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel, o.done = cancel, make(chan struct{})
	if a, err := netip.ParseAddr(given); err == nil {
		o.now.Store(&a)
		o.given = true
		close(o.done)
		return
	}
	if o.given { // and is no more
		o.now.Store(nil)
		o.given = false
	}
	if given == "" && publicInterface() {
		close(o.done)
		return
	}
	go o.run(ctx, o.done, given)
}

func (o *outside) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cancel != nil {
		o.cancel()
		<-o.done
		o.cancel = nil
	}
	return nil
}

func (o *outside) run(ctx context.Context, done chan struct{}, name string) {
	defer close(done)
	for {
		wait := stunEvery
		a, err := o.ask(ctx, name)
		switch {
		case err == nil && a != o.addr():
			o.now.Store(&a)
			o.log.Info("public address found", "address", a)
			o.found(a)
		case err != nil:
			o.log.Debug("public address not found; set [sip] external if phones are outside", "error", err)
			wait = stunRetries
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (o *outside) ask(ctx context.Context, name string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, stunTime)
	defer cancel()
	if name != "" {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
		if err != nil {
			return netip.Addr{}, err
		}
		return addrs[0].Unmap(), nil
	}
	return askSTUN(ctx, o.server)
}

func askSTUN(ctx context.Context, server string) (netip.Addr, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", server)
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = conn.Close() }()
	if d, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(d)
	}
	req, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.Addr{}, err
	}
	if _, err := conn.Write(req.Raw); err != nil {
		return netip.Addr{}, err
	}
	buf := make([]byte, 1500)
	n, err := conn.Read(buf)
	if err != nil {
		return netip.Addr{}, err
	}
	res := &stun.Message{Raw: buf[:n]}
	if err := res.Decode(); err != nil {
		return netip.Addr{}, err
	}
	var mapped stun.XORMappedAddress
	if res.TransactionID != req.TransactionID {
		return netip.Addr{}, net.ErrClosed
	}
	if err := mapped.GetFrom(res); err != nil {
		return netip.Addr{}, err
	}
	a, _ := netip.AddrFromSlice(mapped.IP)
	return a.Unmap(), nil
}

// publicInterface reports whether an interface has a public IPv4 address: then
// nobody needs to be asked.
func publicInterface() bool {
	for _, a := range interfaceAddrs() {
		if a.Is4() && a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a) {
			return true
		}
	}
	return false
}

// sharedSpace is RFC 6598's, which carriers use behind their own NAT.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func interfaceAddrs() (out []netip.Addr) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out
}
