package peer

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Script is a SIPp scenario in the making: what a phone sends and expects, step
// after step. It fills in what every message has, so that a test shows what
// matters. The messages are parsed, matched and sent again by SIPp.
//
//	s := peer.NewScript()
//	call := s.Talk("call", "sip:101@host", "sip:102@host")
//	call.Send("INVITE", peer.Sound)
//	call.Receive("200")
//	call.Send("ACK")
type Script struct {
	steps strings.Builder
	count int      // of steps, which SIPp's branches are numbered by
	names []string // of variables
	reads int      // actions so far, to name variables
}

// NewScript starts an empty one.
func NewScript() *Script { return &Script{} }

// Sound is the body of a phone that speaks PCMU at SIPp's media port (-mp), where
// -rtp_echo sends back what comes.
const Sound = `Content-Type: application/sdp

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000`

// Talk is one dialog of a script, or one request outside of any.
type Talk struct {
	s              *Script
	name           string // in its Call-ID, tags and variables
	from, to, uri  string // uri is the Request-URI until the other side says its own
	seq            int
	incoming, met  bool
	within         bool   // begun by another script
	lastSent       string // method
	invite, refuse int    // the steps of the last INVITE, and of its refusal if that came
}

// Talk makes a dialog that the script begins.
func (s *Script) Talk(name, from, to string) *Talk {
	return &Talk{s: s, name: name, from: from, to: to, uri: to}
}

// At sets another Request-URI than who is called.
func (t *Talk) At(uri string) *Talk {
	t.uri = uri
	return t
}

// Incoming makes a dialog that the other side begins; a script has one at most.
func (s *Script) Incoming(name string) *Talk {
	return &Talk{s: s, name: name, incoming: true}
}

// Within is a dialog that another script began, and this one goes on with: the other
// side asks first.
func (s *Script) Within(name string) *Talk {
	return &Talk{s: s, name: name, incoming: true, within: true}
}

// Send sends a request. Of lines, each is a header, or several, or headers, an
// empty line and a body; a Contact among them replaces the usual one.
func (t *Talk) Send(method string, lines ...string) {
	if method != "ACK" && method != "CANCEL" {
		t.seq++
	}
	t.lastSent = method
	target, to, from := t.uri, "To: <"+t.to+">", "From: <"+t.from+">;tag="+t.tag()
	if t.met && method != "CANCEL" {
		target, to = "[$"+t.name+"_target]", "To:[$"+t.name+"_remote]"
	}
	id := t.name + "///[call_id]"
	if method == "ACK" && t.refuse > t.invite {
		to = "To:[$" + t.name + "_refused]"
	}
	switch {
	case t.within:
		from, id = "From:[$"+t.name+"_local]", "[call_id]"
	case t.incoming:
		from, id = "From:[$"+t.name+"_local];tag="+t.tag(), "[call_id]"
	}
	branch := "[branch]"
	switch {
	case method == "INVITE":
		t.invite, t.refuse = t.s.count, 0
	case method == "CANCEL" || method == "ACK" && t.refuse > t.invite:
		branch = fmt.Sprintf("[branch-%d]", t.s.count-t.invite)
	}
	head := []string{
		method + " " + target + " SIP/2.0",
		"Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=" + branch,
		"Max-Forwards: 70", from, to, "Call-ID: " + id, fmt.Sprintf("CSeq: %d %s", t.seq, method),
	}
	retrans := ` retrans="500"`
	if method == "ACK" {
		retrans = ""
	}
	t.s.send(head, lines, retrans)
}

// tag is ours in this dialog.
func (t *Talk) tag() string { return t.name + "[pid]" }

// Respond answers the last request of this dialog that was received by a name.
func (t *Talk) Respond(status, request string, lines ...string) {
	v := t.name + "_" + request
	to := "To:[$" + v + "_to]"
	if !t.within && (!t.met || request == "INVITE" && t.incoming) {
		to += ";tag=" + t.tag()
	}
	id := "[call_id]"
	if !t.incoming {
		id = t.name + "///[call_id]"
	}
	head := []string{"SIP/2.0 " + status, "Via:[$" + v + "_via]", "From:[$" + v + "_from]", to, "Call-ID: " + id, "CSeq:[$" + v + "_cseq]"}
	retrans := ""
	if request == "INVITE" && strings.HasPrefix(status, "2") {
		retrans = ` retrans="500"`
	}
	t.s.send(head, lines, retrans)
}

// Receive waits for a request ("BYE") or for a response ("200") to what was sent
// last; checks are actions (see Check, Read). Provisional responses before it are
// passed over.
func (t *Talk) Receive(what string, actions ...string) {
	if what[0] < '1' || what[0] > '9' {
		t.receiveRequest(what, actions)
		return
	}
	for _, code := range []string{"100", "180", "181", "182", "183"} {
		if t.lastSent == "INVITE" && code < what {
			t.s.step("<recv response=%q optional=\"true\"/>\n", code)
		}
	}
	if t.lastSent != "ACK" && what[0] > '2' {
		t.refuse = t.s.count
		actions = append([]string{t.s.header(t.name+"_refused", "To", ".*")}, actions...)
	} else if begins := t.lastSent == "INVITE" || t.lastSent == "SUBSCRIBE"; begins && !t.incoming {
		actions = append([]string{
			t.s.header(t.name+"_remote", "To", ".*"), t.s.header(t.name+"_target", "Contact", "sip:[^>]*"),
		}, actions...)
		t.met = true
	}
	t.s.receive("response", what, actions)
}

func (t *Talk) receiveRequest(method string, actions []string) {
	v := t.name + "_" + method
	reads := []string{
		t.s.header(v+"_via", "Via", ".*"), t.s.header(v+"_cseq", "CSeq", ".*"),
		t.s.header(v+"_from", "From", ".*"), t.s.header(v+"_to", "To", ".*"),
	}
	if t.incoming && method == "INVITE" && !t.met {
		reads = append(reads, t.s.header(t.name+"_remote", "From", ".*"), t.s.header(t.name+"_local", "To", ".*"),
			t.s.header(t.name+"_target", "Contact", "sip:[^>]*"))
	}
	t.s.receive("request", method, append(reads, actions...))
	if t.incoming && method == "INVITE" {
		t.met = true
	}
}

// AwaitCue waits until the test gives the cue (see Cue). Only a script that begins
// its call can.
func (s *Script) AwaitCue() { s.step("<recv request=\"%s\"/>\n", cue) }

// cue is a method that nobody else sends to a script.
const cue = "CUE"

// Cue lets a script go on: one that runs under a name (SIPp.Name) at a port.
func Cue(t testing.TB, name string, port int) {
	t.Helper()
	conn, err := net.Dial("udp", net.JoinHostPort(localhost, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "%[1]s sip:script SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKcue\r\nFrom: <sip:test>;tag=t\r\nTo: <sip:script>\r\n"+
		"Call-ID: %[3]s\r\nCSeq: 1 %[1]s\r\nContent-Length: 0\r\n\r\n", cue, conn.LocalAddr(), fileName(name)+"-1")
	if err != nil {
		t.Fatal(err)
	}
}

// fileName is a script's name without blanks.
func fileName(name string) string { return strings.ReplaceAll(name, " ", "-") }

func (s *Script) receive(kind, what string, actions []string) {
	inner := ""
	if len(actions) > 0 {
		inner = "<action>\n" + strings.Join(actions, "\n") + "\n</action>\n"
	}
	s.step("<recv %s=%q>\n%s</recv>\n", kind, what, inner)
}

func (s *Script) step(format string, args ...any) {
	fmt.Fprintf(&s.steps, format, args...)
	s.count++
}

// send writes a message: its head, what of the usual headers lines do not bring,
// lines, and the length of the body.
func (s *Script) send(head, lines []string, attributes string) {
	text := strings.Join(lines, "\n")
	headers, body, _ := strings.Cut(text, "\n\n")
	if !strings.Contains("\n"+headers, "\nContact:") {
		head = append(head, "Contact: <sip:phone@[local_ip]:[local_port];transport=[transport]>")
	}
	if headers != "" {
		head = append(head, headers)
	}
	head = append(head, "Content-Length: [len]")
	s.step("<send%s><![CDATA[\n%s\n\n%s\n]]></send>\n", attributes, strings.Join(head, "\n"), body)
}

// write puts the scenario into a file of a folder.
func (s *Script) write(t testing.TB, folder, name string) string {
	t.Helper()
	text := fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=%q>\n%s", name, s.steps.String())
	if len(s.names) > 0 {
		text += fmt.Sprintf("<Reference variables=%q/>\n", strings.Join(s.names, ","))
	}
	path := filepath.Join(folder, name+".xml")
	if err := os.WriteFile(path, []byte(text+"</scenario>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
