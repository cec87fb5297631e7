package sip

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
)

// message sends a text with authentication and gives the answer.
func (p *phone) message(user, kind, body string, extra ...string) wire.Message {
	p.t.Helper()
	uri := "sip:" + user + "@tincan"
	p.seq++
	d := dlg{callID: fmt.Sprintf("msg-%s-%d", p.addr(), p.seq), from: "mt", seq: 1}
	write := func(extra ...string) {
		text := p.text("MESSAGE", uri, d, body, append(extra, "Content-Type: "+kind)...)
		text = strings.Replace(text, "Content-Type: application/sdp\r\n", "", 1)
		p.write(text)
	}
	write(extra...)
	c := p.expect("401")
	d.seq = 2
	write(append(extra, p.auth(c, "MESSAGE", uri, "pw"+p.number, 1, "MD5"))...)
	for {
		m := p.read(10 * time.Second)
		if _, ok := m.(*wire.Response); ok || m == nil {
			return m
		}
		p.inbox = append(p.inbox, m)
	}
}

const hello = "Grüße an alle, 你好, مرحبا \U0001f44b"

func TestTextIsPassedAsItIs(t *testing.T) {
	l := newLab(t)
	a, b := l.phone("101"), l.phone("103")
	b.register()
	for _, c := range []struct{ kind, body string }{
		{"text/plain;charset=UTF-8", hello},
		{"message/cpim", "From: <sip:101@tincan>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk324j\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\nContent-type: text/plain\r\n\r\n" + hello},
		{"application/im-iscomposing+xml", "<isComposing/>"},
	} {
		got := make(chan wire.Message, 1)
		done := make(chan struct{})
		go func() { defer close(done); got <- a.message("103", c.kind, c.body, "Subject: s") }()
		in := b.expect("MESSAGE").(*wire.Request)
		b.answer(in, 200, "x", "")
		<-done
		if res := <-got; !begins(res, "200") {
			t.Error(res)
		}
		if !bytes.Equal(in.Body(), []byte(c.body)) || header(in, "Content-Type") != c.kind || header(in, "Subject") != "s" || in.Contact() != nil ||
			in.From().Address.User != "101" || in.From().DisplayName != "Phone 101" || header(in, "Date") != "" {
			t.Errorf("came\n%s", in)
		}
	}
}

func TestTextWaits(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	if res := a.message("103", "application/im-iscomposing+xml", "x"); !begins(res, "480") {
		t.Error(res)
	}
	for i := range 3 {
		if res := a.message("103", "text/plain", fmt.Sprint(hello, i)); !begins(res, "202") {
			t.Error(res)
		}
	}
	l.close()
	l = openLab(t, l.dir, l.udp.String())
	b := l.phone("103")
	b.register()
	for i := range 3 {
		in := b.expect("MESSAGE").(*wire.Request)
		if string(in.Body()) != fmt.Sprint(hello, i) || header(in, "Date") == "" || in.From().Address.User != "101" {
			t.Errorf("came\n%s", in)
		}
		b.answer(in, 200, "x", "")
	}
	l.eventually(func() bool { return l.texts.Waiting() == 0 })
	b.register()
	a.lab = l
	got := make(chan wire.Message, 1)
	go func() { got <- a.message("103", "text/plain", "now") }()
	in := b.expect("MESSAGE").(*wire.Request)
	if string(in.Body()) != "now" {
		t.Errorf("came\n%s", in)
	}
	b.answer(in, 415, "x", "")
	if res := <-got; !begins(res, "415") {
		t.Error(res)
	}
}

func TestTextRefused(t *testing.T) {
	l := newLab(t)
	a := l.phone("101")
	if res := a.message("999", "text/plain", "x"); !begins(res, "404") {
		t.Error(res)
	}
	if res := a.message("103", "text/plain", strings.Repeat("x", 40_000)); !begins(res, "413") {
		t.Error(res)
	}
	if res := a.message("103", "text/plain", "x", "Subject: "+strings.Repeat("x", 5000)); !begins(res, "513") {
		t.Error(res)
	}
	s := l.phone("666")
	s.send("MESSAGE", "sip:101@tincan", dlg{callID: "x", from: "y", seq: 1}, "")
	s.expect("401")
}

// A carrier that challenges gets the message with credentials, and its answer is
// the sender's.
func TestTextByTrunk(t *testing.T) {
	l := newLab(t)
	carrier := l.phone("carrier")
	l.trunk(directory.TrunkForm{
		Name: "net", Address: carrier.addr().String(), Domain: "carrier.example", Username: "4711", Secret: "pwcarrier", CallerID: "pai",
	})
	l.route("0049", "trunk:net/+49")
	a := l.phone("101")
	for _, c := range []struct{ says, want string }{{"200", "200"}, {"404", "404"}, {"500", "480"}} {
		got := make(chan wire.Message, 1)
		go func() { got <- a.message("0049", "text/plain", hello) }()
		in := carrier.expect("MESSAGE")
		if carrier.proof(in, "pwcarrier") == nil {
			carrier.challenge(in, 407, "n1"+c.says, "")
			in = carrier.expect("MESSAGE")
		}
		req := in.(*wire.Request)
		if carrier.proof(in, "pwcarrier") == nil || string(req.Body()) != hello || req.Recipient.User != "+49" || req.From().Address.User != "4711" ||
			!strings.Contains(header(req, "P-Asserted-Identity"), "sip:101@") {
			t.Errorf("came\n%s", req)
		}
		code, _ := strconv.Atoi(c.says)
		carrier.answer(in, code, "ct", "")
		if res := <-got; !begins(res, c.want) {
			t.Errorf("want %s, got\n%s", c.want, res)
		}
	}
}
