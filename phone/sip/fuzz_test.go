package sip_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// scene is a server in some state with two phones, a trunk's peer and a stranger,
// each of whom may send anything.
type scene struct {
	s     *siptest.Server
	a, b  *siptest.Phone
	peers map[byte]*outsider // the stranger and the trunk's
	sent  int                // messages
	words *strings.Replacer  // of messages: names of what is in the state
}

// states that a scene begins in.
const (
	idle byte = iota
	ringing
	standing
	transferring // the caller sends the callee on to the trunk, which rings
	states
)

// mostAtFirst is how many calls a scene begins with at most: a transfer is a second.
const mostAtFirst = 2

func newScene(t *testing.T, state byte) *scene {
	t.Helper()
	c := &scene{s: siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{
		Extensions: two(), Trunks: []directory.TrunkForm{{Name: "peer", Address: "192.0.2.50", Match: []string{"192.0.2.50"}}},
		Routes: map[string]string{"9": "trunk:peer/9"}, Public: map[string]string{"lounge": "extension:102"},
		Settings: &sip.Settings{RegisterMin: time.Minute, RegisterMax: time.Hour, Guests: 4, Session: 4 * time.Minute},
		Silence:  time.Minute,
	})}
	c.a, c.b = c.s.Phone("101", "pw101", "198.51.100.7"), c.s.Phone("102", "pw102", "198.51.100.8")
	c.peers = map[byte]*outsider{'s': listen(t, c.s, "203.0.113.66"), 't': listen(t, c.s, "192.0.2.50")}
	c.a.Register()
	c.b.Register()
	words := []string{"{uri}", "sip:102@tincan"}
	dialog := func(name, target string, d siptest.Dialog) {
		words = append(words, "{"+name+".uri}", target, "{"+name+".id}", d.CallID, "{"+name+".from}", d.From, "{"+name+".to}", d.To, "{"+name+".branch}", d.Branch)
	}
	switch state {
	case ringing:
		d := c.a.Invite("102", c.a.Offer())
		in := c.b.Expect("INVITE")
		c.b.Answer(in, 180, "bt", "")
		from, _ := in.From().Params.Get("tag")
		branch, _ := in.Via().Params.Get("branch")
		d.To = siptest.Tag(c.a.Expect("180"))
		dialog("a", "sip:102@tincan", d)
		dialog("b", siptest.Target(in), siptest.Dialog{CallID: string(*in.CallID()), From: "bt", To: from, Branch: branch})
	case standing:
		talk := c.a.Talk(c.b)
		dialog("a", talk.ATarget, talk.A)
		dialog("b", talk.BTarget, talk.B)
	case transferring:
		talk := c.a.Talk(c.b)
		c.a.Send("REFER", talk.ATarget, talk.A, "", "Refer-To: <sip:9@tincan>")
		c.a.Expect("202")
		talk.A.Seq++
		dialog("a", talk.ATarget, talk.A)
		dialog("b", talk.BTarget, talk.B)
	}
	c.words = strings.NewReplacer(words...)
	return c
}

func (c *scene) close() {
	c.a.Close()
	c.b.Close()
	for _, p := range c.peers {
		p.close()
	}
	c.s.Close()
}

// act sends what a chunk says: its first letter says who, the rest is the message.
func (c *scene) act(chunk string) {
	if chunk == "" {
		return
	}
	c.sent++
	text := c.words.Replace(strings.ReplaceAll(chunk[1:], "\n", "\r\n"))
	switch p := c.peers[chunk[0]]; {
	case p != nil:
		p.send([]byte(text))
	case chunk[0] == 'a':
		c.a.Write(text)
	case chunk[0] == 'b':
		c.b.Write(text)
	default:
		time.Sleep(time.Second)
	}
	synctest.Wait()
}

// check holds what must be so whatever came.
func (c *scene) check(t *testing.T) {
	t.Helper()
	got := 0
	for _, m := range c.peers['s'].drain() {
		got += len(m)
	}
	if most := amplification*c.peers['s'].sent + callOfAGuest*c.sent; got > most {
		t.Errorf("a stranger sent %d bytes and got %d", c.peers['s'].sent, got)
	}
	if calls, _ := c.s.Calls.Counts(); calls > mostAtFirst+c.sent {
		t.Errorf("%d calls of %d messages", calls, c.sent)
	}
	in, out := c.s.SIP.Transactions()
	if in+out > 50+10*c.sent {
		t.Errorf("%d and %d transactions of %d messages", in, out, c.sent)
	}
	fresh := listen(t, c.s, "203.0.113.200")
	defer fresh.close()
	fresh.send(request("OPTIONS", "101", 1))
	if got := fresh.status(); got != "200" {
		t.Errorf("the server answers OPTIONS with %q", got)
	}
	time.Sleep(10 * time.Minute) // nobody answers any more, nor speaks: who is on hold is asked
	if now, _ := c.s.Calls.Counts(); now > 0 {
		time.Sleep(2 * time.Hour) // the input had a session timer of its own
	}
	calls, _ := c.s.Calls.Counts()
	in, out = c.s.SIP.Transactions()
	used, _ := c.s.Media.Ports()
	if calls+in+out+used != 0 {
		t.Errorf("left: %d calls, %d and %d transactions, %d ports", calls, in, out, used)
	}
}

// callOfAGuest is what a stranger's call to the lounge may draw when he has shown
// that he gets our answers.
const callOfAGuest = 20_000

// between are chunks of a fuzz input.
const between = "\n---\n"

// maxChunks bounds the messages of one input.
const maxChunks = 20

// FuzzServer sends messages to a whole server in one of its states.
func FuzzServer(f *testing.F) {
	for _, seed := range seeds {
		for state := range states {
			f.Add(state, seed)
		}
	}
	f.Fuzz(func(t *testing.T, state byte, input string) {
		chunks := strings.Split(input, between)
		if len(chunks) > maxChunks || len(input) > transport.MaxMessage/2 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			c := newScene(t, state%states)
			defer c.close()
			for _, chunk := range chunks {
				c.act(chunk)
			}
			c.check(t)
		})
	})
}

// head begins a request of a scene: who, the method, the dialog.
func head(who, method, name, more string) string {
	from, via := "203.0.113.66", "{"+name+".branch}"
	switch who {
	case "a":
		from = "198.51.100.7"
	case "b":
		from = "198.51.100.8"
	}
	if method != "CANCEL" {
		via = "z9hG4bK" + who + method + name
	}
	return who + method + " {" + name + ".uri} SIP/2.0\nVia: SIP/2.0/UDP " + from + ":5060;rport;branch=" + via + "\nFrom: <sip:101@tincan>;tag={" + name + ".from}\n" +
		"To: <sip:102@tincan>;tag={" + name + ".to}\nCall-ID: {" + name + ".id}\nCSeq: 77 " + method + "\nContact: <sip:101@" + from + ">\nMax-Forwards: 70\n" + more
}

const sdpBody = "Content-Type: application/sdp\nContent-Length: 107\n\nv=0\no=- 1 2 IN IP4 198.51.100.7\ns=-\nc=IN IP4 198.51.100.7\nt=0 0\nm=audio 40000 RTP/AVP 0 8\na=sendonly\n"

// securedSDP is a description whose media are encrypted in one way or the other.
func securedSDP(profile, attributes string) string {
	body := "v=0\no=- 1 2 IN IP4 198.51.100.7\ns=-\nc=IN IP4 198.51.100.7\nt=0 0\nm=audio 40000 " + profile + " 0 8\n" + attributes
	return fmt.Sprintf("Content-Type: application/sdp\nContent-Length: %d\n\n%s", len(body), body)
}

var (
	sdesBody = securedSDP("RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\na=crypto:2 AEAD_AES_128_GCM inline:AAAA\n")
	dtlsBody = securedSDP("UDP/TLS/RTP/SAVPF", "a=rtcp-mux\na=setup:actpass\na=fingerprint:sha-256 "+strings.TrimSuffix(strings.Repeat("4A:", 32), ":")+"\n")
)

// seeds are where the fuzzer begins: each kind of message, honest and forged.
var seeds = []string{
	string(append([]byte("s"), request("OPTIONS", "101", 1)...)),
	"tSIP/2.0 200 OK" + between + head("a", "BYE", "a", "Content-Length: 0\n\n") + between + "x",
	"s" + string(guess("101", 1)) + between + "s" + string(guess("nobody", 2)),
	"s" + strings.Replace(string(request("INVITE", "lounge", 1)), "Content-Length: 0\r\n\r\n", strings.ReplaceAll(sdpBody, "\n", "\r\n"), 1),
	"t" + strings.Replace(string(request("INVITE", "102", 1)), "Content-Length: 0\r\n\r\n", sdpBody, 1),
	head("a", "BYE", "a", "Content-Length: 0\n\n"),
	head("s", "BYE", "b", "Content-Length: 0\n\n") + between + head("b", "BYE", "b", "Content-Length: 0\n\n"),
	head("a", "CANCEL", "a", "Content-Length: 0\n\n"),
	head("a", "INVITE", "a", sdpBody) + between + head("a", "INVITE", "a", "Content-Length: 0\n\n"),
	head("b", "UPDATE", "b", sdpBody) + between + "x" + between + head("b", "INFO", "b", "Content-Type: application/dtmf-relay\nContent-Length: 9\n\nSignal=5\n"),
	head("b", "REFER", "b", "Refer-To: <sip:101@tincan>\nContent-Length: 0\n\n"),
	head("b", "NOTIFY", "b", "Event: refer\nSubscription-State: active\nContent-Type: message/sipfrag\nContent-Length: 14\n\nSIP/2.0 200 OK"),
	head("a", "INVITE", "a", sdesBody) + between + head("b", "INVITE", "b", dtlsBody) + between + head("a", "UPDATE", "a", sdpBody),
	"s" + strings.Replace(string(request("INVITE", "lounge", 1)), "Content-Length: 0\r\n\r\n", strings.ReplaceAll(dtlsBody, "\n", "\r\n"), 1),
	head("b", "PRACK", "b", "RAck: 1 1 INVITE\nContent-Length: 0\n\n"),
	"bSIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={b.branch}\nFrom: <sip:101@tincan>;tag={b.to}\nTo: <sip:102@tincan>;tag=bt\nCall-ID: {b.id}\nCSeq: 1 INVITE\nContact: <sip:102@198.51.100.8>\n" + sdpBody,
	"bSIP/2.0 302 Moved\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={b.branch}\nFrom: <sip:101@tincan>;tag={b.to}\nTo: <sip:102@tincan>;tag=bt\nCall-ID: {b.id}\nCSeq: 1 INVITE\nContact: <sip:101@tincan>\nContent-Length: 0\n\n",
	"sSUBSCRIBE sip:102@tincan SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.66;branch=z9hG4bKsub\nFrom: <sip:101@tincan>;tag=s\nTo: <sip:102@tincan>\nCall-ID: sub\nCSeq: 1 SUBSCRIBE\nEvent: dialog\nExpires: 600\nContact: <sip:101@203.0.113.66>\nContent-Length: 0\n\n",
}

// Forged messages within a call that stands do nothing: whoever does not know the
// tags, or knows them and speaks from elsewhere with what is no news.
func TestForgeriesWithinACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, standing)
		defer c.close()
		for _, method := range []string{"BYE", "INVITE", "UPDATE", "INFO", "NOTIFY", "REFER", "CANCEL", "PRACK"} {
			text := head("s", method, "a", "Content-Length: 0\n\n")
			c.act(strings.ReplaceAll(text, "{a.to}", "00000000000000000000"))
			c.act(strings.ReplaceAll(text, "{a.from}", "guessed"))
			c.act(strings.ReplaceAll(text, "{a.id}", "guessed"))
		}
		for _, m := range c.peers['s'].drain() {
			if !strings.HasPrefix(string(m), "SIP/2.0 481 ") {
				t.Errorf("a forgery drew %.40q", m)
			}
		}
		for _, code := range []string{"200 OK", "486 Busy Here", "180 Ringing", "401 Unauthorized"} {
			c.act("sSIP/2.0 " + code + "\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnothing\nFrom: <sip:101@tincan>;tag={b.to}\nTo: <sip:102@tincan>;tag=bt\nCall-ID: {b.id}\nCSeq: 1 INVITE\nContact: <sip:eve@203.0.113.66>\n" + sdpBody)
		}
		if calls, _ := c.s.Calls.Counts(); calls != 1 {
			t.Fatalf("%d calls, want the one that stands", calls)
		}
		c.a.Write(c.words.Replace(strings.ReplaceAll(head("a", "BYE", "a", "Content-Length: 0\n\n")[1:], "\n", "\r\n")))
		bye := c.b.Expect("BYE").(*wire.Request)
		if at, _ := netip.ParseAddr(bye.Recipient.Host); at != c.b.At().Addr() {
			t.Errorf("the BYE goes to %s", bye.Recipient.String())
		}
		c.b.Answer(bye, 200, "", "")
		c.a.Expect("200")
	})
}

// A CANCEL that has all of an INVITE's marks but comes from elsewhere ends nothing.
func TestForgedCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, ringing)
		defer c.close()
		text := head("a", "CANCEL", "a", "Content-Length: 0\n\n")
		c.act("s" + text[1:])
		if got := c.peers['s'].status(); got != "481" {
			t.Errorf("a forged CANCEL drew %s, want 481", got)
		}
		if calls, _ := c.s.Calls.Counts(); calls != 1 {
			t.Fatal("the call does not ring any more")
		}
		c.act(text)
		c.b.Expect("CANCEL")
	})
}

// Two phones that vanish while one holds the other leave nothing behind, though
// nobody need speak and neither knows session timers.
func TestHeldPartiesThatVanish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, standing)
		defer c.close()
		c.act(head("b", "INVITE", "b", sdpBody))
		c.act(head("b", "ACK", "b", "Content-Length: 0\n\n"))
		time.Sleep(2 * time.Minute)
		if calls, _ := c.s.Calls.Counts(); calls != 1 {
			t.Fatalf("%d calls after two minutes on hold, want 1", calls)
		}
		time.Sleep(10 * time.Minute)
		calls, _ := c.s.Calls.Counts()
		used, _ := c.s.Media.Ports()
		if calls+used != 0 {
			t.Errorf("%d calls and %d ports left", calls, used)
		}
	})
}
