package sdp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/media"
)

// browserOffer is what a browser offers that shows no address: names in place
// of them, and 0.0.0.0 port 9.
const browserOffer = `
	v=0
	o=- 4611731400430051336 2 IN IP4 127.0.0.1
	s=-
	t=0 0
	a=group:BUNDLE 0
	a=extmap-allow-mixed
	m=audio 9 RTP/SAVPF 111 0
	c=IN IP4 0.0.0.0
	a=rtcp:9 IN IP4 0.0.0.0
	a=candidate:1467250027 1 udp 2122260223 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 46154 typ host generation 0 network-id 1
	a=candidate:435653019 1 tcp 1845501695 192.0.2.3 9 typ srflx raddr 10.0.1.1 rport 9 tcptype active generation 0
	a=ice-ufrag:8hhY
	a=ice-pwd:asd88fgpdd777uzjYhagZg
	a=ice-options:trickle renomination
	a=mid:0
	a=sendrecv
	a=rtcp-mux
	a=rtpmap:111 opus/48000/2`

func TestBrowserOffer(t *testing.T) {
	d, o, err := Parse([]byte(crlf(browserOffer)))
	if err != nil {
		t.Fatal(err)
	}
	s := &d.Streams[0]
	if s.Direction != media.SendRecv || s.Mangled() || !s.Mux || s.Mid != "0" {
		t.Errorf("a hidden address is no hold and nothing rewritten: %+v", s)
	}
	want := &media.ICE{
		Ufrag: "8hhY", Pwd: "asd88fgpdd777uzjYhagZg", Options: []string{"trickle", "renomination"},
		Candidates: []media.Candidate{
			{Foundation: "1467250027", Component: 1, Transport: "udp", Priority: 2122260223, Host: "9b36eaac-bb2e-49bb-bb78-21c41c499900.local", Port: 46154, Type: "host"},
			{Foundation: "435653019", Component: 1, Transport: "tcp", Priority: 1845501695, Host: "192.0.2.3", Port: 9, Type: "srflx", Related: at("10.0.1.1:9"), TCPType: "active"},
		},
	}
	if diff := cmp.Diff(want, s.ICE, equal); diff != "" {
		t.Error(diff)
	}
	if !s.ICE.Trickles() {
		t.Error("it trickles")
	}
	roundTrip(t, d, o)
}

const phoneOffer = `
	v=0
	o=- 1 1 IN IP4 192.0.2.7
	s=-
	c=IN IP4 192.0.2.7
	t=0 0
	a=ice-lite
	a=ice-pwd:asd88fgpdd777uzjYhagZg
	a=ice-ufrag:8hhY
	m=audio 8998 RTP/AVP 0
	a=candidate:1 1 UDP 2130706431 192.0.2.7 8998 typ host
	a=candidate:1 2 UDP 2130706430 192.0.2.7 8999 typ host
	a=remote-candidates:1 192.0.2.1 5000 2 192.0.2.1 5001
	a=end-of-candidates
	m=video 9000 RTP/AVP 99
	a=rtpmap:99 VP8/90000
	a=ice-ufrag:second
	a=ice-pwd:second88fgpdd777uzjYhagZg
	a=candidate:1 1 UDP 2130706431 10.0.0.1 9000 typ host`

func TestPhoneOffer(t *testing.T) {
	d, o, err := Parse([]byte(crlf(phoneOffer)))
	if err != nil {
		t.Fatal(err)
	}
	audio, video := &d.Streams[0], &d.Streams[1]
	if audio.ICE.Ufrag != "8hhY" || !audio.ICE.Lite || !audio.ICE.Complete || len(audio.ICE.Candidates) != 2 || len(audio.ICE.Remote) != 2 {
		t.Errorf("audio %+v", audio.ICE)
	}
	if video.ICE.Ufrag != "second" || !video.ICE.Lite || video.ICE.Complete {
		t.Errorf("video %+v", video.ICE)
	}
	if audio.Mangled() || !video.Mangled() {
		t.Errorf("mangled: audio %v, video %v", audio.Mangled(), video.Mangled())
	}
	roundTrip(t, d, o)
}

// What does not follow the grammar is left out, or ICE is.
func TestBadICE(t *testing.T) {
	begin := "v=0\r\nc=IN IP4 192.0.2.7\r\nm=audio 8998 RTP/AVP 0\r\n"
	good := "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
	for name, c := range map[string]struct {
		text       string
		candidates int // -1: no ICE
	}{
		"good":            {good, 0},
		"no password":     {"a=ice-ufrag:8hhY\r\n", -1},
		"short password":  {"a=ice-ufrag:8hhY\r\na=ice-pwd:asd88\r\n", -1},
		"long ufrag":      {"a=ice-ufrag:" + strings.Repeat("x", 257) + "\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n", -1},
		"ufrag with a \"": {"a=ice-ufrag:8h\"hY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n", -1},
		"candidates":      {"a=candidate:1 1 UDP 1 192.0.2.7 8998 typ host\r\n", -1},
		"component":       {good + "a=candidate:1 0 UDP 1 192.0.2.7 8998 typ host\r\n", 0},
		"priority":        {good + "a=candidate:1 1 UDP 4294967296 192.0.2.7 8998 typ host\r\n", 0},
		"port":            {good + "a=candidate:1 1 UDP 1 192.0.2.7 65536 typ host\r\n", 0},
		"host":            {good + "a=candidate:1 1 UDP 1 <script> 8998 typ host\r\n", 0},
		"short":           {good + "a=candidate:1 1 UDP 1 192.0.2.7\r\n", 0},
		"twice":           {good + strings.Repeat("a=candidate:1 1 UDP 1 192.0.2.7 8998 typ host\r\n", 2), 1},
		"many":            {good + many(100), MaxCandidates},
	} {
		d, o, err := Parse([]byte(begin + c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := -1
		if ice := d.Streams[0].ICE; ice != nil {
			got = len(ice.Candidates)
		}
		if got != c.candidates {
			t.Errorf("%s: %d candidates, want %d", name, got, c.candidates)
		}
		roundTrip(t, d, o)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a=candidate:1 1 UDP 1 192.0.2.7 %d typ host\r\n", i+1)
	}
	return b.String()
}

func TestMismatchIsTold(t *testing.T) {
	d := media.Description{Streams: []media.Stream{{
		Kind: media.Audio, RTP: at("192.0.2.1:5000"), Direction: media.SendRecv, ICE: &media.ICE{Mismatch: true},
	}}}
	text := string(Write(d, origin(1, 1, "192.0.2.1")))
	if !strings.Contains(text, "a=ice-mismatch\r\n") || strings.Contains(text, "ice-ufrag") {
		t.Error(text)
	}
}

func FuzzParseCandidate(f *testing.F) {
	f.Add("1 1 UDP 2130706431 192.0.2.1 8998 typ host")
	f.Add("2 1 TCP 1694498815 2001:db8::1 443 typ srflx raddr 10.0.1.1 rport 9 tcptype passive")
	f.Add("3 2 udp 1 a-b.local 1 typ host generation 0 ufrag abcd")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCandidate(text)
		if err != nil {
			return
		}
		again, err := ParseCandidate(FormatCandidate(c))
		if err != nil {
			t.Fatalf("%v in what we write of %q", err, text)
		}
		if diff := cmp.Diff(c, again, equal); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestParseFragment(t *testing.T) {
	got, err := ParseFragment([]byte(crlf(`
		a=ice-ufrag:8hhY
		a=ice-pwd:asd88fgpdd777uzjYhagZg
		m=audio 9 RTP/AVP 0
		a=mid:1
		a=candidate:1 1 UDP 2130706431 192.0.2.7 8998 typ host
		a=candidate:nonsense
		m=video 9 RTP/AVP 99
		a=ice-ufrag:other
		a=end-of-candidates`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Fragment{
		{Mid: "1", ICE: media.ICE{Ufrag: "8hhY", Pwd: "asd88fgpdd777uzjYhagZg", Candidates: []media.Candidate{
			{Foundation: "1", Component: 1, Transport: "udp", Priority: 2130706431, Host: "192.0.2.7", Port: 8998, Type: "host"},
		}}},
		{ICE: media.ICE{Ufrag: "other", Pwd: "asd88fgpdd777uzjYhagZg", Complete: true}},
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseFragment(f *testing.F) {
	f.Add([]byte("a=ice-ufrag:8hhY\r\nm=audio 9 RTP/AVP 0\r\na=mid:1\r\na=candidate:1 1 UDP 1 192.0.2.7 8998 typ host\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := ParseFragment(b)
		if err != nil {
			return
		}
		if len(all) > MaxStreams {
			t.Fatalf("%d lines", len(all))
		}
		for _, p := range all {
			if len(p.ICE.Candidates) > MaxCandidates || len(p.ICE.Ufrag) > maxSecret || len(p.Mid) > maxMid {
				t.Fatalf("out of bounds: %+v", p)
			}
		}
	})
}
