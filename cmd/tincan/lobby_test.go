package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Strangers that connect to the port for browsers and say nothing are few at a time;
// who asks for something is answered and let go.
func TestLobbyIsBounded(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ReadHeaderTimeout = time.Minute
	forStrangers(s.Config)
	counts := s.Config.ConnState
	closed := make(chan struct{}, 2*lobbyMostOf)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		counts(c, state)
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	defer s.Close()
	var silent []net.Conn
	for range lobbyMostOf + 1 {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		must(t, err)
		defer func() { _ = c.Close() }()
		silent = append(silent, c)
	}
	<-closed // the last
	must(t, silent[0].Close())
	<-closed
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	must(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	text, err := io.ReadAll(c) // ends, as the connection does
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 404") {
		t.Errorf("%q, %v", text, err)
	}
}
