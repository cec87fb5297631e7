package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// explainListen says which port is taken, by whom, and what to change.
func explainListen(err error, setting, proto, addr string) error {
	_, port, _ := net.SplitHostPort(addr)
	kind := "tcp"
	if isUDP(proto) {
		kind = "udp"
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s/%s is taken by %s; stop it, or give %s another port: %s in tincan.toml (serve --config FILE reads another)", port, kind, holder(kind, port), setting, example(setting, addr))
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %s/%s needs more rights than this user has; give %s a port above 1023", port, kind, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s = %q: this machine has no such address", setting, addr)
	}
	return fmt.Errorf("%s: %w", setting, err)
}

// isUDP tells which protocols of sockets are carried by UDP.
func isUDP(proto string) bool { return proto == "udp" || proto == "iax2" }

// example shows the setting with another port, as the file has it: the table,
// then the key.
func example(setting, addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	if n, err := strconv.Atoi(port); err == nil && n < 65000 {
		port = strconv.Itoa(n + 10)
	}
	value := strconv.Quote(net.JoinHostPort(host, port))
	if strings.HasPrefix(setting, "[sip]") || strings.HasPrefix(setting, "[iax2]") {
		value = "[" + value + "]"
	}
	return setting + " = " + value
}

// holder names the process that has a port, as /proc tells.
func holder(kind, port string) string {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "another process"
	}
	inodes := map[string]bool{}
	for _, table := range []string{kind, kind + "6"} {
		collectInodes("/proc/net/"+table, fmt.Sprintf(":%04X", n), kind == "tcp", inodes)
	}
	if name := processWith(inodes); name != "" {
		return name
	}
	return "another user's process (run as root to see which)"
}

// collectInodes gathers the sockets bound to a port from a table of /proc/net.
func collectInodes(table, suffix string, listening bool, into map[string]bool) {
	eachSocket(table, func(local, state, inode string) {
		if strings.HasSuffix(local, suffix) && (!listening || state == "0A") {
			into["socket:["+inode+"]"] = true
		}
	})
}

// eachSocket reads a table of /proc/net: local address and port in hex, state and
// inode of each socket.
func eachSocket(table string, f func(local, state, inode string)) {
	file, err := os.Open(table)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	for sc := bufio.NewScanner(file); sc.Scan(); {
		if col := strings.Fields(sc.Text()); len(col) >= 10 {
			f(col[1], col[3], col[9])
		}
	}
}

func processWith(inodes map[string]bool) string {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !inodes[target] {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}

// listenTCP opens a listener on an address of the configuration: on one of IPv4 for
// IPv4 alone, where Go would take IPv6 too.
func listenTCP(addr string) (net.Listener, error) {
	network := "tcp"
	if at, err := netip.ParseAddrPort(addr); err == nil && at.Addr().Is4() {
		network = "tcp4"
	}
	return net.Listen(network, addr)
}
