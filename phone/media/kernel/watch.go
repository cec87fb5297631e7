package kernel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// aliveEvery is how often the process tells the program that it lives.
	aliveEvery = 10 * time.Second
	// restEvery is the pause after a change, so that a storm of them costs
	// little.
	restEvery = 200 * time.Millisecond
)

// groups are the changes that matter: interfaces, addresses, routes.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR |
	unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

// subscribe opens a socket that tells changes.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("watch interfaces: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// watch follows changes and gives signs of life, until events is closed.
func (r *Relay) watch() {
	room := make([]byte, netlinkRoom)
	for {
		if r.events.SetReadDeadline(time.Now().Add(aliveEvery)) != nil {
			return
		}
		_, err := r.events.Read(room)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.table.live(monotonic())
			if encrypts() { // policies come without a word
				r.stopAll()
			}
			continue
		}
		time.Sleep(restEvery)
		r.drain(room) // an error (ENOBUFS) means that some were missed: look as well
		r.table.live(monotonic())
		r.scan()
		r.reroute()
	}
}

// drain reads what has come meanwhile.
func (r *Relay) drain(room []byte) {
	if r.events.SetReadDeadline(time.Now()) != nil {
		return
	}
	for {
		if _, err := r.events.Read(room); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
	}
}

// scan attaches to new interfaces and forgets those that are gone.
func (r *Relay) scan() {
	interfaces, err := net.Interfaces()
	if err != nil {
		r.log.Warn("kernel relay: list interfaces", "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	served := map[int]bool{}
	for _, i := range interfaces {
		if !serves(i) {
			continue
		}
		served[i.Index] = true
		r.mtus[i.Index] = uint32(i.MTU)
		r.hook(i)
	}
	for index, h := range r.hooks {
		if !served[index] {
			if err := h.detach(); err != nil {
				r.log.Debug("kernel relay: detach", "interface", index, "error", err)
			}
			delete(r.hooks, index)
		}
	}
	for index := range r.mtus {
		if !served[index] {
			delete(r.mtus, index)
			delete(r.failed, index)
		}
	}
}

// serves tells whether packets for this machine come by an interface: it is up,
// has an address, and its packets have an Ethernet header. Tunnels have none,
// and what comes by them goes through the process.
func serves(i net.Interface) bool {
	if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagPointToPoint != 0 {
		return false
	}
	if i.Flags&net.FlagLoopback == 0 && len(i.HardwareAddr) != etherAddrLen {
		return false
	}
	addrs, err := i.Addrs()
	return err == nil && len(addrs) > 0
}

const etherAddrLen = 6

// hook attaches to an interface, once. Called with mu held.
func (r *Relay) hook(i net.Interface) {
	if r.hooks[i.Index] != nil {
		return
	}
	h, err := r.attach.attach(i.Index)
	if err != nil {
		if !r.failed[i.Index] {
			r.log.Warn("kernel relay: an interface is not served", "interface", i.Name, "error", err)
			r.failed[i.Index] = true
		}
		return
	}
	r.log.Debug("kernel relay: attached", "interface", i.Name)
	r.hooks[i.Index] = h
}

// reroute finds for each stream the way out again.
func (r *Relay) reroute() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.table.carried() {
		s := &r.table.slots[c.index]
		out, err := r.route(c.Stream.To.Addr())
		if err != nil || (out.ifindex == 0) != (atomic.LoadUint32(&s.ifindex) == 0) {
			c.Stop()
			continue
		}
		atomic.StoreUint32(&s.ifindex, out.ifindex)
		atomic.StoreUint32(&s.longest, out.mtu)
	}
}
