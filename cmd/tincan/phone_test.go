package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tincan/phone/directory"
)

// phone is a SIP phone of a few lines that calls in by the trunk of house, which
// needs no digest.
type phone struct {
	t      *testing.T
	conn   *net.UDPConn
	server netip.AddrPort
	callID string
	to     string // of the server's answer, with its tag
	target string // the Contact of the server's answer
	seq    int
}

func newPhone(t *testing.T, server netip.AddrPort, callID string) *phone {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	to := "sip:9000@" + server.String()
	return &phone{t: t, conn: c, server: server, callID: callID, to: "<" + to + ">", target: to}
}

func (p *phone) addr() string { return p.conn.LocalAddr().String() }

func (p *phone) send(method, body string) {
	p.t.Helper()
	if method != "ACK" {
		p.seq++
	}
	text := method + " " + p.target + " SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP " + p.addr() + fmt.Sprintf(";rport;branch=z9hG4bK%s%d%s\r\n", p.callID, p.seq, method) +
		"From: \"Test\" <sip:200@" + p.addr() + ">;tag=t\r\nTo: " + p.to + "\r\nCall-ID: " + p.callID + "\r\n" +
		fmt.Sprintf("CSeq: %d %s\r\n", p.seq, method) + "Contact: <sip:200@" + p.addr() + ">\r\nMax-Forwards: 70\r\n"
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	p.write(text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

func (p *phone) write(text string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), p.server); err != nil {
		p.t.Fatal(err)
	}
}

// expect reads messages until one begins with one of these.
func (p *phone) expect(first ...string) string {
	p.t.Helper()
	buf := make([]byte, 65536)
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", first, err)
		}
		text := string(buf[:n])
		if slices.ContainsFunc(first, func(f string) bool { return strings.HasPrefix(text, f) }) {
			return text
		}
	}
}

// call makes a call that stands.
func (p *phone) call() {
	p.t.Helper()
	if !p.tryCall() {
		p.t.Fatal("the call is refused")
	}
}

// tryCall makes a call that stands, unless the server takes no more.
func (p *phone) tryCall() bool {
	p.t.Helper()
	p.send("INVITE", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n")
	answer := p.expect("SIP/2.0 200", "SIP/2.0 503")
	if strings.HasPrefix(answer, "SIP/2.0 503") {
		return false
	}
	p.to = header(answer, "To", "t")
	contact := header(answer, "Contact", "m")
	p.target = contact[strings.IndexByte(contact, '<')+1 : strings.IndexByte(contact, '>')]
	p.send("ACK", "")
	return true
}

// hangUp ends a call that stands.
func (p *phone) hangUp() {
	p.t.Helper()
	p.send("BYE", "")
	p.expect("SIP/2.0 200 OK\r\n")
}

// answerBye is what a phone does when the server ends a call.
func (p *phone) answerBye() {
	p.t.Helper()
	bye := p.expect("BYE ")
	text := "SIP/2.0 200 OK\r\n"
	for line := range strings.SplitSeq(bye, "\r\n") {
		for _, name := range []string{"Via:", "From:", "To:", "Call-ID:", "CSeq:"} {
			if strings.HasPrefix(line, name) {
				text += line + "\r\n"
			}
		}
	}
	p.write(text + "Content-Length: 0\r\n\r\n")
}

// register puts a device of an extension into the bindings, as the registrar does.
func register(t *testing.T, p *place, extension, userAgent string) directory.Binding {
	t.Helper()
	b := directory.Binding{
		Extension: extension, Contact: "sip:" + extension + "@127.0.0.1:9", Transport: "udp", UserAgent: userAgent,
		Received: netip.MustParseAddrPort("127.0.0.1:9"), Expires: time.Now().Add(time.Hour),
	}
	done := make(chan error, 1)
	p.server.bindings.Update(extension, []directory.Binding{b}, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return b
}
