package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tincan/phone/event"
)

var update = flag.Bool("update", false, "write the golden files again")

func golden(t *testing.T, file, got string) {
	t.Helper()
	file = "testdata/" + file
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// exchange is a call as a trace shows it, and what else may come.
func exchange() []traced {
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.Local)
	message := func(out bool, peer, transport, id, text string) traced {
		at = at.Add(7 * time.Millisecond)
		return traced{Message: event.Message{
			Time: at, Out: out, Transport: transport, SIPCallID: id,
			Peer: netip.MustParseAddrPort(peer), Text: strings.ReplaceAll(text, "\n", "\r\n"),
		}}
	}
	const ada, bob = "192.168.1.20:5060", "[2001:db8::20]:41234"
	list := []traced{
		message(false, ada, "udp", "f81d4fae-7dec@192.168.1.20", "INVITE sip:102@phones.example;user=phone SIP/2.0\nCSeq: 1 INVITE\nContent-Type: application/sdp\n\nv=0\n"),
		message(true, ada, "udp", "f81d4fae-7dec@192.168.1.20", "SIP/2.0 401 Unauthorized\nCSeq: 1 INVITE\nWWW-Authenticate: Digest realm=\"tincan\", nonce=\"***\"\n\n"),
		message(true, bob, "tls", "n1-abc", "INVITE sips:102@[2001:db8::20]:41234 SIP/2.0\nc: application/SDP;x=1\n\n"),
		message(false, bob, "tls", "n1-abc", "SIP/2.0 180 Ringing\ncseq: 7 INVITE\n\n"),
		message(false, "[::ffff:10.0.0.1]:5060", "tcp", "x", "OPTIONS sip:phones.example SIP/2.0\n\n"),
		message(false, ada, "udp", "y\x1b]0;owned\a", "MESSAGE \x1b[31m sip:a-very-long-user-name-that-does-not-fit@x SIP/2.0\nSubject: \x1b[2J\n\n\x9bx\n"),
		message(false, ada, "udp", "z", "\n"),
	}
	list[4].Lost = 1
	list[5].Lost = 12
	return list
}

func TestLadder(t *testing.T) {
	var short, whole bytes.Buffer
	if err := ladderTitle(&short); err != nil {
		t.Fatal(err)
	}
	for _, m := range exchange() {
		if err := rung(&short, &m, false); err != nil {
			t.Fatal(err)
		}
		if err := rung(&whole, &m, true); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "ladder.txt", short.String())
	golden(t, "ladder-verbose.txt", whole.String())
}

// TestLadderIsSafe: whatever strangers send, a terminal is told nothing, and no
// message takes two lines.
func TestLadderIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := traced{Message: event.Message{
			Out: rapid.Bool().Draw(t, "out"), Transport: "udp",
			SIPCallID: string(rapid.SliceOf(rapid.Byte()).Draw(t, "id")),
			Text:      string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")),
		}}
		var short, whole strings.Builder
		if err := rung(&short, &m, false); err != nil {
			t.Fatal(err)
		}
		if err := rung(&whole, &m, true); err != nil {
			t.Fatal(err)
		}
		if strings.Count(short.String(), "\n") != 1 || !strings.HasPrefix(whole.String(), short.String()) {
			t.Errorf("%q", short.String())
		}
		for _, r := range whole.String() {
			if r != '\n' && plain(string(r)) != string(r) {
				t.Errorf("%q lets %q through", whole.String(), r)
			}
		}
	})
}

func TestArrowsAreOfOneLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := arrow(rapid.String().Draw(t, "label"), rapid.Bool().Draw(t, "out"))
		if n := utf8.RuneCountInString(a); n != arrowWidth {
			t.Errorf("%q has %d signs", a, n)
		}
	})
}

func TestHeaderUser(t *testing.T) {
	for value, want := range map[string]string{
		`"Ada" <sip:101@phones.example>;tag=x`: "101",
		`<sips:101;x=1@[::1]:5061>`:            "101",
		`sip:101:secret@x;tag=1`:               "101",
		`"<sip:666@x>" <sip:101@x>`:            "101",
		`<tel:+49301;phone-context=x>`:         "+49301",
		`<sip:phones.example>`:                 "",
		`nonsense`:                             "",
		``:                                     "",
	} {
		text := "INVITE x SIP/2.0\r\nf : " + value + "\r\n\r\nFrom: <sip:body@x>\r\n"
		if got := headerUser(text, "From", "f"); got != want {
			t.Errorf("%s: %q", value, got)
		}
	}
}

// watched is a trace that runs.
type watched struct {
	t     *testing.T
	lines *bufio.Reader
	stop  context.CancelFunc
	ended chan error
}

// watch starts a trace, and returns once nothing is missed any more.
func watch(t *testing.T, p *place, q url.Values, json, whole bool) *watched {
	t.Helper()
	r, w := io.Pipe()
	o := &options{config: p.file("tincan.toml"), json: json, out: w}
	c, err := o.server()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	watch := &watched{t, bufio.NewReader(r), stop, make(chan error, 1)}
	go func() {
		err := trace(ctx, o, c, q, whole)
		_ = w.Close()
		_ = c.close()
		watch.ended <- err
	}()
	t.Cleanup(stop)
	if !json {
		watch.line() // the title comes once the server has begun
		return watch
	}
	for !p.server.watched() {
		runtime.Gosched()
	}
	return watch
}

func (w *watched) line() string {
	w.t.Helper()
	text, err := w.lines.ReadString('\n')
	if err != nil {
		w.t.Fatalf("trace: %v", err)
	}
	return text
}

// until reads lines until one has all words.
func (w *watched) until(words ...string) string {
	w.t.Helper()
	for {
		line := w.line()
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return line
		}
	}
}

// end is Ctrl-C.
func (w *watched) end() error {
	w.stop()
	_, _ = io.Copy(io.Discard, w.lines)
	return <-w.ended
}

func TestTrace(t *testing.T) {
	p := served(t)
	p.apply(house)
	w := watch(t, p, nil, false, false)
	ph := newPhone(t, p.udp(), "live-call@phone")
	ph.call()
	w.until(ph.addr(), "── INVITE 9000 +sdp ─", "▶  live-call…")
	w.until(ph.addr(), "◀─", " 200 OK (INVITE) +sdp ──  live-call…")
	if err := w.end(); err != nil {
		t.Errorf("Ctrl-C is no error: %v", err)
	}
}

func TestTraceOfOneCall(t *testing.T) {
	p := served(t)
	p.apply(house)
	mine, other := newPhone(t, p.udp(), "mine@phone"), newPhone(t, p.udp(), "other@phone")
	mine.call()
	id := p.server.exchange.Snapshots()[0].ID
	other.call()
	w := watch(t, p, url.Values{"call": {id}}, false, true)
	other.hangUp()
	mine.hangUp()
	if first := w.line(); !strings.Contains(first, "── BYE ") || !strings.Contains(first, " mine@phone") {
		t.Errorf("first comes %s", first)
	}
	w.until("    Call-ID: mine@phone") // whole messages
	w.until("200 OK (BYE)")            // after the call is gone, too
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if got := p.refused("trace", "--call", "nope"); got != "there is no call nope; see tincan calls" {
		t.Error(got)
	}
}

func TestTraceOfOneExtension(t *testing.T) {
	p := served(t)
	p.apply(house)
	pick := p.server.ofExtension("101")
	device := register(t, p, "101", "")
	elsewhere := netip.MustParseAddrPort("10.0.0.1:5060")
	for _, c := range []struct {
		m    event.Message
		want bool
	}{
		{event.Message{Peer: device.Received}, true},
		{event.Message{Peer: elsewhere}, false},
		{event.Message{Peer: elsewhere, Text: "INVITE x\r\nFrom: <sip:101@x>\r\n\r\n"}, true},
		{event.Message{Peer: elsewhere, Text: "INVITE x\r\nt: <sip:101@x>\r\n\r\n"}, true},
		{event.Message{Peer: elsewhere, Text: "INVITE x\r\nFrom: <sip:102@x>\r\n\r\n"}, false},
	} {
		if got := pick(&c.m); got != c.want {
			t.Errorf("%+v: %v", c.m, got)
		}
	}
	if got := p.refused("trace", "--extension", "7"); got != "there is no extension 7; see tincan extension list" {
		t.Error(got)
	}
}

// TestTraceInJSON: a message a line, its secrets masked.
func TestTraceInJSON(t *testing.T) {
	p := served(t)
	p.apply(house)
	w := watch(t, p, nil, true, false)
	ph := newPhone(t, p.udp(), "json-call")
	register := "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP " + ph.addr() + ";rport;branch=z9hG4bKj\r\n" +
		"From: <sip:101@x>;tag=t\r\nTo: <sip:101@x>\r\nCall-ID: json-call\r\nCSeq: 1 REGISTER\r\n" +
		"Authorization: Digest username=\"101\", nonce=\"no\", response=\"0123456789abcdef\"\r\nContent-Length: 0\r\n\r\n"
	ph.write(register)
	var m traced
	if err := json.Unmarshal([]byte(w.until("REGISTER sip:x")), &m); err != nil {
		t.Fatal(err)
	}
	if m.SIPCallID != "json-call" || m.Out || !strings.Contains(m.Text, `response="***"`) || strings.Contains(m.Text, "0123456789") {
		t.Errorf("%+v", m)
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestTraceEndsWithTheServer(t *testing.T) {
	p := served(t)
	w := watch(t, p, nil, false, false)
	if err := p.server.close(); err != nil {
		t.Fatal(err)
	}
	if err := <-w.ended; err == nil || err.Error() != "the trace ended: the server stopped" {
		t.Error(err)
	}
}

func (s *server) watched() bool {
	s.watchers.Lock()
	defer s.watchers.Unlock()
	return s.watching > 0
}
