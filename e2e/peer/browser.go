package peer

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"tincan/e2e/tone"
)

// Browser is a headless Chromium with a page that is a phone: JsSIP over
// WebSocket, its own WebRTC (ICE, DTLS-SRTP, Opus), a file for a microphone. It is
// driven by the DevTools protocol: commands as JSON over a WebSocket.
type Browser struct {
	*Process
	account Account
	conn    *websocket.Conn

	mu      sync.Mutex // guards what follows
	last    int        // command
	session string     // of the page
	cursor  int        // among the page's events
	heard   []float64
}

//go:embed page/phone.html
var phonePage []byte

// browserRate is the rate of what it plays, and of what is heard of it.
const browserRate = 48000

// StartBrowser starts a phone whose account's Server is host:port for
// WebSockets over TLS, and waits until it is registered.
func StartBrowser(t testing.TB, account Account) *Browser {
	t.Helper()
	Need(t, "chromium", "npm")
	account = account.withDefaults()
	folder := t.TempDir()
	play := filepath.Join(folder, "play.wav")
	account.playFile(t, play, browserRate)
	b := &Browser{account: account}
	b.Process = Start(t, Spec{
		Name: "chromium " + account.Number, Path: "chromium", Dir: folder, Netns: account.Netns,
		Args: append(
			account.policy(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
			"--user-data-dir="+filepath.Join(folder, "profile"), "--remote-debugging-port=0", "--ignore-certificate-errors",
			"--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--use-file-for-fake-audio-capture="+play,
			"--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection", "about:blank",
		),
	})
	_, address, _ := strings.Cut(b.Await(t, "DevTools listening on "), "listening on ")
	b.attach(t, strings.TrimSpace(address))
	b.open(t, b.writePage(t, folder))
	return b
}

// policy is what those who manage browsers set for their users; newer ones call it by
// the second name.
func (a Account) policy() []string {
	if !a.NoUDP {
		return nil
	}
	const value = "webrtc-ip-handling-policy=disable_non_proxied_udp"
	return []string{"--force-" + value, "--" + value}
}

// attach connects to the DevTools.
func (b *Browser) attach(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: b.account.Netns.Dial}}
	conn, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatalf("%s: DevTools: %v", b.Process.name, err)
	}
	conn.SetReadLimit(-1)
	b.conn = conn
	t.Cleanup(func() { _ = conn.CloseNow() })
}

// open shows the page and registers its phone.
func (b *Browser) open(t testing.TB, page string) {
	t.Helper()
	var target struct{ TargetID string }
	b.command(t, "Target.createTarget", map[string]any{"url": page}, &target)
	var attached struct{ SessionID string }
	b.command(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.until(t, "its page", func() bool {
		return string(b.evaluate(t, "document.readyState == 'complete' && !!window.phone")) == "true"
	})
	host, _, _ := strings.Cut(b.account.Server, ":")
	b.run(t, "start", map[string]any{
		"ws": "wss://" + b.account.Server + "/ws", "uri": "sip:" + b.account.Number + "@" + host, "password": b.account.Secret,
		"ice": b.account.Relays, "video": b.account.Video, "trickles": b.account.Trickles,
	})
	b.awaitEvent(t, "registered")
}

// writePage writes the page beside its script, and gives its URL: browsers trust
// files with a microphone.
func (b *Browser) writePage(t testing.TB, folder string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(cache, "tincan-tests", "jssip.js")
	if out, err := exec.Command("../scripts/jssip", script).CombinedOutput(); err != nil {
		t.Fatalf("scripts/jssip: %v\n%s", err, out)
	}
	if err := os.Symlink(script, filepath.Join(folder, "jssip.js")); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(folder, "phone.html")
	if err := os.WriteFile(page, phonePage, 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + page
}

// command runs one of DevTools' and waits for what it gives.
func (b *Browser) command(t testing.TB, method string, params, result any) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.exchange(method, params, result); err != nil {
		t.Fatalf("%s: %s: %v", b.Process.name, method, err)
	}
}

func (b *Browser) exchange(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	b.last++
	text, err := json.Marshal(map[string]any{"id": b.last, "method": method, "params": params, "sessionId": b.session})
	if err != nil {
		return err
	}
	if b.session == "" {
		text = []byte(strings.Replace(string(text), `,"sessionId":""`, "", 1))
	}
	if err := b.conn.Write(ctx, websocket.MessageText, text); err != nil {
		return err
	}
	for {
		_, text, err := b.conn.Read(ctx)
		if err != nil {
			return err
		}
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(text, &answer); err != nil || answer.ID != b.last {
			continue // an event
		}
		if answer.Error != nil {
			return fmt.Errorf("%s", answer.Error.Message)
		}
		return json.Unmarshal(answer.Result, result)
	}
}

// evaluate gives the value of an expression in the page, as JSON.
func (b *Browser) evaluate(t testing.TB, expression string) json.RawMessage {
	t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.command(t, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &answer)
	if e := answer.ExceptionDetails; e != nil {
		t.Fatalf("%s: %s: %s %s", b.Process.name, expression, e.Text, e.Exception.Description)
	}
	return answer.Result.Value
}

// run calls a function of the page's phone with one argument.
func (b *Browser) run(t testing.TB, name string, argument any) {
	t.Helper()
	text, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	b.evaluate(t, fmt.Sprintf("phone.%s(%s); 0", name, text))
}

func (b *Browser) until(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(earPoll)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s: no %s in %v", b.Process.name, what, Patience)
		}
	}
}

// awaitEvent waits for the page's next event of a kind and returns its text.
func (b *Browser) awaitEvent(t testing.TB, kind string) (text string) {
	t.Helper()
	b.until(t, kind, func() bool {
		var events []struct{ Kind, Text string }
		if err := json.Unmarshal(b.evaluate(t, fmt.Sprintf("phone.events.slice(%d)", b.cursor)), &events); err != nil {
			t.Fatal(err)
		}
		for i, e := range events {
			if e.Kind == kind {
				b.cursor += i + 1
				text = e.Text
				return true
			}
		}
		return false
	})
	return text
}

// Says makes the page change each description of its own before it is sent, by a
// function of JavaScript.
func (b *Browser) Says(t testing.TB, function string) {
	t.Helper()
	b.evaluate(t, "phone.change = "+function+"; 0")
}

// Dial calls an extension.
func (b *Browser) Dial(t testing.TB, number string) {
	t.Helper()
	host, _, _ := strings.Cut(b.account.Server, ":")
	b.evaluate(t, fmt.Sprintf("phone.ua.call('sip:%s@%s', phone.options()); 0", number, host))
}

// Answer takes the call that rings.
func (b *Browser) Answer(t testing.TB) {
	t.Helper()
	b.evaluate(t, "phone.session.answer(phone.options()); 0")
}

// Hangup ends its call.
func (b *Browser) Hangup(t testing.TB) { t.Helper(); b.evaluate(t, "phone.session.terminate(); 0") }

// Hold holds its call, and waits until the server has agreed to that.
func (b *Browser) Hold(t testing.TB) {
	t.Helper()
	b.evaluate(t, "phone.session.hold({}, () => phone.tell('held')); 0")
	b.awaitEvent(t, "held")
}

// Resume takes the call back, likewise.
func (b *Browser) Resume(t testing.TB) {
	t.Helper()
	b.evaluate(t, "phone.session.unhold({}, () => phone.tell('resumed')); 0")
	b.awaitEvent(t, "resumed")
}

// BeginAnew looks for its way again (RFC 8445 9), and waits until the server has
// agreed to that.
func (b *Browser) BeginAnew(t testing.TB) {
	t.Helper()
	b.evaluate(t, "phone.session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, () => phone.tell('renewed')); 0")
	b.awaitEvent(t, "renewed")
}

// Reconnect opens another connection to the server, as a page does that is told of
// another network.
func (b *Browser) Reconnect(t testing.TB) {
	t.Helper()
	b.evaluate(t, "phone.ua.transport.disconnect(); phone.ua.transport.connect(); 0")
	b.awaitEvent(t, "registered")
}

// Digit presses a key, as a telephone event.
func (b *Browser) Digit(t testing.TB, digit string) {
	t.Helper()
	b.evaluate(t, fmt.Sprintf("phone.session.sendDTMF(%q, { transportType: 'RFC2833' }); 0", digit))
}

// AwaitRinging waits until the other side rings.
func (b *Browser) AwaitRinging(t testing.TB) { t.Helper(); b.awaitEvent(t, "ringing") }

// AwaitIncoming waits until it rings.
func (b *Browser) AwaitIncoming(t testing.TB) { t.Helper(); b.awaitEvent(t, "incoming") }

// AwaitEstablished waits until its call is answered.
func (b *Browser) AwaitEstablished(t testing.TB) { t.Helper(); b.awaitEvent(t, "established") }

// AwaitClosed waits until its call is over, and says why.
func (b *Browser) AwaitClosed(t testing.TB) string { t.Helper(); return b.awaitEvent(t, "closed") }

// AwaitDigit waits for a key that comes as INFO: the page is not told of others.
func (b *Browser) AwaitDigit(t testing.TB, want string) {
	t.Helper()
	if got := b.awaitEvent(t, "digit"); got != want {
		t.Errorf("%s: digit %s, want %s", b.Process.name, got, want)
	}
}

// Pair gives the kinds of the candidates in use, ours to it last, such as "host/udp
// relay/udp".
func (b *Browser) Pair(t testing.TB) string {
	t.Helper()
	var pair struct {
		Local, Remote struct{ CandidateType, Protocol string }
	}
	if err := json.Unmarshal(b.evaluate(t, "phone.statistics()"), &pair); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s/%s %s/%s", pair.Local.CandidateType, pair.Local.Protocol, pair.Remote.CandidateType, pair.Remote.Protocol)
}

// Sees waits until it sees more pictures, by so many, than it has seen, a whole one
// among all of them.
func (b *Browser) Sees(t testing.TB, more int) {
	t.Helper()
	first := b.Pictures(t).Frames
	b.until(t, "picture", func() bool {
		now := b.Pictures(t)
		return now.Frames >= first+more && now.Whole > 0
	})
}

// Pictures are what it has seen and shown.
type Pictures struct {
	Frames, Whole     int    // decoded
	Codec, Parameters string // of what it sees, as in SDP: "video/VP8"
	Asked, Repeated   int    // of its own: whole pictures (PLI, FIR), packets (NACK)
}

// AwaitAsked waits until it was asked for whole pictures more than so often.
func (b *Browser) AwaitAsked(t testing.TB, n int) {
	t.Helper()
	b.until(t, "request for a whole picture", func() bool { return b.Pictures(t).Asked > n })
}

// Films makes it take one codec for pictures, such as "video/H264", whose parameters
// hold a text, and no other.
func (b *Browser) Films(t testing.TB, codec, parameters string) {
	t.Helper()
	b.evaluate(t, fmt.Sprintf("phone.picture = [%q, %q]; 0", codec, parameters))
}

// Pictures tells what it has seen and shown.
func (b *Browser) Pictures(t testing.TB) (seen Pictures) {
	t.Helper()
	if err := json.Unmarshal(b.evaluate(t, "phone.sees()"), &seen); err != nil {
		t.Fatal(err)
	}
	return seen
}

// Ear gives what it hears.
func (b *Browser) Ear() Ear {
	return Ear{name: b.Process.name, files: func() []string { return []string{"what it hears"} }, read: b.listen}
}

// listen takes what the page has heard since the last time to what it heard before.
func (b *Browser) listen(string) (tone.Sound, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var answer struct{ Result struct{ Value string } }
	err := b.exchange("Runtime.evaluate", map[string]any{"expression": "phone.take()", "returnByValue": true}, &answer)
	if err != nil {
		return tone.Sound{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(answer.Result.Value)
	if err != nil {
		return tone.Sound{}, err
	}
	for ; len(raw) >= 2; raw = raw[2:] {
		b.heard = append(b.heard, float64(int16(binary.LittleEndian.Uint16(raw)))/32768)
	}
	return tone.Sound{Rate: browserRate, Samples: b.heard}, nil
}

var _ Phone = (*Browser)(nil)
