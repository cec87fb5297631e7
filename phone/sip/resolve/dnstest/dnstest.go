// Package dnstest is a name server on the loopback for tests.
package dnstest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Server answers from what Set told it; everything else does not exist. One
// goroutine each for UDP and TCP, ended with the test. Safe for any goroutine.
type Server struct {
	Addr string // ip:port

	mu      sync.Mutex // guards what follows
	records map[dns.Question][]dns.RR
	asked   map[dns.Question]int
	failing bool
}

// Start starts a server with records in the form of a zone file, a line each.
func Start(t testing.TB, zone ...string) *Server {
	t.Helper()
	s := &Server{asked: map[dns.Question]int{}}
	s.Set(t, zone...)
	tcp, udp := listen(t)
	s.Addr = udp.LocalAddr().String()
	for _, d := range []*dns.Server{{Listener: tcp, Handler: s}, {PacketConn: udp, Handler: s}} {
		ready, ended := make(chan struct{}), make(chan struct{})
		d.NotifyStartedFunc = func() { close(ready) }
		go func() {
			defer close(ended)
			if err := d.ActivateAndServe(); err != nil {
				t.Error(err)
			}
		}()
		<-ready
		t.Cleanup(func() {
			if err := d.Shutdown(); err != nil {
				t.Error(err)
			}
			<-ended
		})
	}
	return s
}

// listen takes one port number for both.
func listen(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	var last error
	for range 10 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp
		}
		last = err
		_ = tcp.Close()
	}
	t.Fatal(last)
	return nil, nil
}

// Set replaces the records.
func (s *Server) Set(t testing.TB, zone ...string) {
	t.Helper()
	records := map[dns.Question][]dns.RR{}
	for _, line := range zone {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		q := question(dns.Question{Name: rr.Header().Name, Qtype: rr.Header().Rrtype, Qclass: dns.ClassINET})
		records[q] = append(records[q], rr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = records
}

// Fail makes the server answer SERVFAIL, or no longer.
func (s *Server) Fail(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = on
}

// Asked is how often a name was asked for.
func (s *Server) Asked(name string, kind uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[question(dns.Question{Name: dns.Fqdn(name), Qtype: kind, Qclass: dns.ClassINET})]
}

func question(q dns.Question) dns.Question {
	q.Name = strings.ToLower(q.Name)
	return q
}

// ServeDNS answers (dns.Handler). Over UDP nothing of more than 512 bytes goes.
func (s *Server) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	m := new(dns.Msg).SetReply(req)
	q := question(req.Question[0])
	s.mu.Lock()
	s.asked[q]++
	if m.Answer = s.records[q]; len(m.Answer) == 0 {
		m.Rcode = dns.RcodeNameError
	}
	if s.failing {
		m.Answer, m.Rcode = nil, dns.RcodeServerFailure
	}
	s.mu.Unlock()
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(m) // a client that is gone is none of ours
}
