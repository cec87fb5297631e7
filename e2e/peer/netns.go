package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// netnsFolder is where `ip netns` keeps the namespaces that it named.
const netnsFolder = "/run/netns/"

// Netns names a network namespace made by `ip netns add`; empty is the one the
// test itself is in.
type Netns string

// command returns argv as run inside the namespace. nsenter replaces itself by the
// program, so the process id stays the program's; unlike `ip netns exec` it leaves
// the mounts alone, so that what the server pins outlives it.
func (n Netns) command(argv []string) []string {
	if n == "" {
		return argv
	}
	return append([]string{"nsenter", "--net=" + netnsFolder + string(n), "--"}, argv...)
}

// Dial connects from inside the namespace: a socket belongs to the namespace it
// was made in, wherever it is used later.
func (n Netns) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	if n == "" {
		return dialer.DialContext(ctx, network, address)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, 1)
	go func() {
		// Never unlocked: the thread, which has changed its namespace, ends
		// with the goroutine.
		runtime.LockOSThread()
		if err := n.enter(); err != nil {
			results <- result{err: err}
			return
		}
		// An address needs no resolver, so the dial stays on this thread.
		conn, err := dialer.DialContext(ctx, network, address)
		results <- result{conn, err}
	}()
	r := <-results
	return r.conn, r.err
}

// enter moves the calling thread into the namespace.
func (n Netns) enter() error {
	file, err := os.Open(netnsFolder + string(n))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", n, err)
	}
	return nil
}
