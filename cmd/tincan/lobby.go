package main

import (
	"net"
	"net/http"
	"net/netip"
	"sync"

	"tincan/phone/sip/transport"
)

// Bounds of what strangers may have open at the ports for browsers before a phone has
// come of it: as a WebSocket a connection counts among those of SIP.
const (
	lobbyMost   = 1024     // connections together
	lobbyMostOf = 128      // of one address (IPv6: /64)
	lobbyHeader = 16 << 10 // bytes of a request's headers
)

// lobby counts connections that are no WebSocket yet. Its zero value is ready; safe
// for any goroutine.
type lobby struct {
	mu sync.Mutex // guards what follows
	in map[net.Conn]netip.Addr
	of map[netip.Addr]int
}

// forStrangers bounds a server that anybody reaches: each connection is for one
// request, which must come soon.
func forStrangers(srv *http.Server) {
	srv.ConnState = (&lobby{in: map[net.Conn]netip.Addr{}, of: map[netip.Addr]int{}}).state
	srv.MaxHeaderBytes = lobbyHeader
	srv.SetKeepAlivesEnabled(false)
}

// state is told of each step of a connection (http.Server.ConnState).
func (l *lobby) state(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		if !l.enter(c) {
			_ = c.Close()
		}
	case http.StateHijacked, http.StateClosed:
		l.leave(c)
	case http.StateActive, http.StateIdle:
	}
}

func (l *lobby) enter(c net.Conn) bool {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return false
	}
	host := transport.HostOf(at)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.in) >= lobbyMost || l.of[host] >= lobbyMostOf {
		return false
	}
	l.in[c] = host
	l.of[host]++
	return true
}

func (l *lobby) leave(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	host, there := l.in[c]
	if !there {
		return
	}
	delete(l.in, c)
	if l.of[host]--; l.of[host] == 0 {
		delete(l.of, host)
	}
}
