package sip

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/media"
	"tincan/phone/media/sdp"
)

// socket is where a phone receives one line's media.
func socket(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func portOn(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

func rtpPacket(pt byte, seq uint16, payload string) []byte {
	return append([]byte{0x80, pt, byte(seq >> 8), byte(seq), 0, 0, 0, 1, 0, 0, 0, 7}, payload...)
}

// heard waits for a packet that ends with a payload.
func heard(t *testing.T, c *net.UDPConn, payload string) []byte {
	t.Helper()
	b := make([]byte, 2000)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("%q was not heard: %v", payload, err)
		}
		if strings.HasSuffix(string(b[:n]), payload) {
			return b[:n]
		}
	}
}

// Sound, picture and text are relayed line by line; other lines are refused in
// their places; what concerns the ends alone is handed on.
func TestLinesAreRelayed(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	var as, bs [4]*net.UDPConn
	for i := range as {
		as[i], bs[i] = socket(t), socket(t)
	}
	body := func(s [4]*net.UDPConn) string {
		return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
			fmt.Sprintf("m=audio %d RTP/AVP 0\r\n", portOn(s[0])) +
			"m=application 5000 UDP/BFCP *\r\n" +
			fmt.Sprintf("m=video %d RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=zrtp-hash:1.10 abc\r\n", portOn(s[1])) +
			fmt.Sprintf("m=text %d RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n", portOn(s[2])) +
			fmt.Sprintf("m=image %d udptl t38\r\na=T38FaxVersion:0\r\n", portOn(s[3]))
	}
	d := a.invite("102", body(as))
	in := b.expect("INVITE")
	got, _, err := sdp.Parse(in.Body())
	if err != nil || len(got.Streams) != 5 {
		t.Fatalf("offered %v:\n%s", err, in.Body())
	}
	for i, refused := range []bool{false, true, false, false, false} {
		if got.Streams[i].Refused() != refused {
			t.Errorf("line %d:\n%s", i, in.Body())
		}
	}
	if v := got.Streams[2]; len(v.Feedback) != 1 || len(v.Passed) != 1 || v.Kind != media.Video {
		t.Errorf("video line %+v", v)
	}
	b.answer(in, 200, "bt", strings.Replace(body(bs), "m=application 5000", "m=application 0", 1))
	b.expect("ACK")
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	answer, _, err := sdp.Parse(ok.Body())
	if err != nil || len(answer.Streams) != 5 {
		t.Fatalf("answered %v:\n%s", err, ok.Body())
	}
	if f := answer.Streams[4]; len(f.Passed) != 1 || f.Passed[0] != "T38FaxVersion:0" {
		t.Errorf("fax line %+v", f)
	}
	for n, line := range []int{0, 2, 3, 4} {
		pt, words := []byte{0, 96, 98, 1}[n], fmt.Sprintf("line %d", line)
		toB, toA := got.Streams[line].RTP, answer.Streams[line].RTP
		for _, dir := range []struct {
			from, to *net.UDPConn
			at       netip.AddrPort
		}{{as[n], bs[n], toA}, {bs[n], as[n], toB}} {
			p := rtpPacket(pt, 1, words)
			if line == 4 { // UDPTL begins with its sequence number, unlike RTP
				p = append([]byte{0, 1}, words...)
			}
			if _, err := dir.from.WriteToUDPAddrPort(p, dir.at); err != nil {
				t.Fatal(err)
			}
			if q := heard(t, dir.to, words); string(q) != string(p) {
				t.Errorf("line %d: % x became % x", line, p, q)
			}
		}
	}
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// With no port left a call is refused with 503, and the next one goes through
// when ports are given back.
func TestPortsRunOut(t *testing.T) {
	l := newLab(t)
	few, err := media.NewEngine(media.Config{First: 30000, Last: 30003, Logger: l.sip.cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = few.Close() }()
	l.sip.cfg.Media = few
	a, b := l.phone("101"), l.phone("102")
	b.register()
	ad, _, at, _ := talk(a, b)
	d := a.invite("102", a.offer())
	res := a.expect("503")
	a.send("ACK", "sip:102@tincan", dlg{d.callID, d.from, tagOf(res), d.branch, 2}, "")
	a.send("BYE", at, ad.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
	ad, _, at, _ = talk(a, b)
	a.send("BYE", at, ad.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}

// A phone whose packets come from elsewhere than its Contact says is kept
// reachable by OPTIONS; another is left in peace.
func TestPhonesBehindNATArePinged(t *testing.T) {
	l := newLab(t)
	set := *l.sip.settings.Load()
	set.Ping = time.Second
	l.sip.Reconfigure(set)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	uri := "sip:101@tincan"
	register := func(extra ...string) wire.Message {
		text := a.text("REGISTER", uri, a.regDlg(), "", extra...)
		a.write(strings.Replace(text, "<sip:101@"+a.addr().String()+">", "<sip:101@192.168.7.7:5060>", 1))
		return a.read(5 * time.Second)
	}
	if ok := register(a.auth(register(), "REGISTER", uri, "pw101", 1, "MD5")); !begins(ok, "200") {
		t.Fatal(ok)
	}
	ping := a.expect("OPTIONS")
	a.answer(ping, 200, "x", "")
	if m := b.read(1200 * time.Millisecond); m != nil {
		t.Errorf("a phone that is no NAT's got\n%s", m)
	}
}

// A phone that offers its camera at every hold, though the other has none, is
// answered here: only what is new is asked of the other side.
func TestHoldWithACameraThatWasRefused(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("102")
	b.register()
	camera := "m=video 41000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
	d := a.invite("102", a.offer()+camera)
	in := b.expect("INVITE")
	b.answer(in, 200, "bt", b.offer()+"m=video 0 RTP/AVP 96\r\n")
	b.expect("ACK")
	ok := a.expect("200")
	d = d.within(ok)
	a.send("ACK", target(ok), d, "")
	d = d.next()
	a.send("INVITE", target(ok), d, a.offer()+"a=sendonly\r\n"+camera)
	held := a.expect("200")
	a.send("ACK", target(ok), d, "")
	if body := string(held.Body()); !strings.Contains(body, "a=recvonly") || !strings.Contains(body, "m=video 0 ") {
		t.Errorf("held with\n%s", body)
	}
	b.silent()
	a.send("BYE", target(ok), d.next(), "")
	b.answer(b.expect("BYE"), 200, "", "")
	a.expect("200")
	l.idle()
}
