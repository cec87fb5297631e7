package peer

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tincan/e2e/tone"
)

// Baresip is a baresip 1.0.0 without sound devices: its aufile module plays a
// tone, its sndfile filter records what it decodes, and aubridge swallows the
// playback. It is driven by its ctrl_tcp module: JSON in netstrings.
//
// It loses its recorder once a re-INVITE gives its media a direction other than
// sendrecv (it takes the filter out and does not put it back), so a phone that
// must be heard after it was held by its own hand is a Linphone.
type Baresip struct {
	*Process
	account Account
	folder  string
	control net.Conn
	events  *journal[baresipEvent]
	cursor  int
}

// baresipEvent is one message of ctrl_tcp: an event, or the answer to a command.
type baresipEvent struct {
	Event    bool   `json:"event"`
	Type     string `json:"type"` // CALL_INCOMING, CALL_ESTABLISHED, REGISTER_OK, ...
	Response bool   `json:"response"`
	OK       bool   `json:"ok"`
	Data     string `json:"data"`
	Param    string `json:"param"`
	PeerURI  string `json:"peeruri"`
}

// baresipRate is the rate of the played file; baresip resamples it to the
// codec's, which must divide it.
const baresipRate = 48000

// baresipCodecs names codecs as baresip's accounts do: name/rate/channels.
var baresipCodecs = map[string]string{
	"pcmu": "PCMU/8000/1", "pcma": "PCMA/8000/1", "g722": "G722/16000/1",
	"opus": "opus/48000/2", "gsm": "GSM/8000/1",
}

// StartBaresip starts a phone and, when it has a server, waits until it is
// registered.
func StartBaresip(t testing.TB, account Account) *Baresip {
	t.Helper()
	b := StartBaresipUnregistered(t, account)
	if account.Server != "" {
		b.AwaitRegistered(t)
	}
	return b
}

// StartBaresipUnregistered starts a phone and does not wait for its server.
func StartBaresipUnregistered(t testing.TB, account Account) *Baresip {
	t.Helper()
	Need(t, "baresip")
	account = account.withDefaults()
	if account.Port == 0 {
		account.Port = FreePort(t)
	}
	b := &Baresip{account: account, folder: t.TempDir(), events: newJournal[baresipEvent]()}
	control := net.JoinHostPort(account.IP, strconv.Itoa(FreePort(t)))
	b.configure(t, control)
	args := []string{"-f", b.folder}
	if account.Trace {
		args = append(args, "-s")
	}
	b.Process = Start(t, Spec{
		Name: "baresip " + account.Number, Path: "baresip", Args: args, Netns: account.Netns,
	})
	b.Await(t, "baresip is ready")
	b.checkStart(t)
	b.connect(t, control)
	return b
}

// checkStart fails the test for what baresip only warns of: a codec that it
// lacks (it would offer all others), or a control port that it could not open.
func (b *Baresip) checkStart(t testing.TB) {
	t.Helper()
	for _, line := range b.Output() {
		if strings.Contains(line, "codec not found") || strings.Contains(line, "failed to listen") {
			t.Fatalf("%s: %s", b.name, line)
		}
	}
}

func (b *Baresip) configure(t testing.TB, control string) {
	t.Helper()
	codec, ok := baresipCodecs[b.account.Codec]
	if !ok {
		t.Fatalf("baresip has no codec %q", b.account.Codec)
	}
	if err := os.Mkdir(b.recordings(), 0o700); err != nil {
		t.Fatal(err)
	}
	play := filepath.Join(b.folder, "play.wav")
	b.account.playFile(t, play, baresipRate)
	more := ""
	if len(b.account.Flows) > 0 {
		more = "module uuid.so\n" // its instance, by which its flows are one device's
	}
	if b.account.ICE {
		more += "module ice.so\nice_debug yes\n"
	}
	if b.account.Levels {
		more += "audio_level yes\n"
	}
	if b.account.Video {
		more += fmt.Sprintf(baresipVideo, baresipFilms[b.account.film()].module)
	}
	source := "aufile," + play
	if b.account.Echoes {
		source = "aubridge,silence" // takes what the player of this name is given
	}
	config := more + fmt.Sprintf(baresipConfig, b.account.own(), source, b.account.IP, control, b.recordings(), baresipRate, phonePorts)
	b.write(t, "config", config)
	b.write(t, "accounts", b.accountLine(t, codec))
	b.write(t, "contacts", b.contacts())
}

// baresipConfig takes its own address, what it plays, its IP, the control
// address, the folder for recordings, the rate and the ports for RTP.
const baresipConfig = `poll_method epoll
sip_listen %[1]s
rtp_ports %[7]s
call_max_calls 8
audio_player aubridge,silence
audio_source %[2]s
audio_alert aubridge,alert
ausrc_srate %[6]d
ausrc_channels 1
auplay_srate %[6]d
auplay_channels 1
audio_buffer 20-160
jitter_buffer_delay 1-10
net_interface %[3]s
module_path /usr/lib/baresip/modules
module opus.so
module g722.so
module g711.so
module gsm.so
module sndfile.so
module aubridge.so
module aufile.so
module srtp.so
module dtls_srtp.so
module_tmp account.so
module_app menu.so
module_app contact.so
module_app presence.so
module_app mwi.so
module_app ctrl_tcp.so
ctrl_tcp_listen %[4]s
snd_path %[5]s
statmode_default off
`

// baresipFilms are its codecs for pictures, as its accounts name them, and whose they
// are.
var baresipFilms = map[string]struct{ name, module string }{
	"vp8": {"VP8", "vp8"}, "vp9": {"VP9", "vp9"}, "h264": {"H264", "avcodec"},
}

// film is the codec of its pictures.
func (a Account) film() string { return cmp.Or(a.Film, "vp8") }

// baresipVideo makes its camera and its screen those of its fakevideo module. It takes
// the module of its codec.
const baresipVideo = `video_source fakevideo,nil
video_display fakevideo,nil
video_size 320x240
video_bitrate 200000
video_fps 15
module %s.so
module fakevideo.so
`

func (b *Baresip) accountLine(t testing.TB, codec string) string {
	t.Helper()
	a := b.account
	mode := "manual"
	if a.Auto {
		mode = "auto"
	}
	if a.Server == "" {
		return fmt.Sprintf("<sip:%s@%s>;regint=0;answermode=%s;audio_codecs=%s\n", a.Number, a.own(), mode, codec)
	}
	flows := ""
	for i, proxy := range a.Flows {
		flows += fmt.Sprintf(";outbound%d=\"sip:%s;transport=%s\"", i+1, proxy, a.Transport)
	}
	if flows != "" {
		flows += ";sipnat=outbound"
	}
	if a.ICE {
		flows += ";medianat=ice"
		if a.STUN != "" {
			flows += ";stunserver=stun:" + a.STUN
		}
	}
	if a.Video {
		flows += ";video_codecs=" + baresipFilms[a.film()].name
	}
	return fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_pass=%s;regint=60;answermode=%s;audio_codecs=%s%s%s\n",
		a.Number, a.Server, a.Transport, a.Secret, mode, codec, flows, b.encryption(t))
}

// encryption is what its account says of encrypted media: srtp puts keys beside
// RTP/AVP, srtp-mand offers RTP/SAVP and takes nothing else.
func (b *Baresip) encryption(t testing.TB) string {
	t.Helper()
	switch a := b.account; {
	case a.Encryption == "":
		return ""
	case a.Encryption == "srtp" && a.Insists:
		return ";mediaenc=srtp-mand"
	case a.Encryption == "srtp":
		return ";mediaenc=srtp"
	case a.Encryption == "dtls":
		return ";mediaenc=dtls_srtp"
	}
	t.Fatalf("baresip has no encryption %q", b.account.Encryption)
	return ""
}

func (b *Baresip) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *Baresip) recordings() string { return filepath.Join(b.folder, "heard") }

func (b *Baresip) connect(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, err := b.account.Netns.Dial(ctx, "tcp", address)
	if err != nil {
		t.Fatalf("%s: connect to its control port: %v", b.name, err)
	}
	b.control = conn
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer b.events.end()
		readEvents(bufio.NewReader(conn), b.events)
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-read
	})
}

// readEvents appends each netstring ("12:{...json...},") until the connection
// ends or says something else.
func readEvents(r *bufio.Reader, events *journal[baresipEvent]) {
	for {
		text, err := r.ReadString(':')
		if err != nil {
			return
		}
		size, err := strconv.Atoi(strings.TrimSuffix(text, ":"))
		if err != nil || size < 0 || size > maxLineBytes {
			return
		}
		body := make([]byte, size+1) // and the comma
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		var event baresipEvent
		if json.Unmarshal(body[:size], &event) == nil {
			events.add(event)
		}
	}
}

// command runs one of the menu's commands and waits for its answer.
func (b *Baresip) command(t testing.TB, name, params string) {
	t.Helper()
	from := len(b.events.all())
	body, err := json.Marshal(map[string]string{"command": name, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.control, "%d:%s,", len(body), body); err != nil {
		t.Fatalf("%s: command %s: %v", b.Process.name, name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	answer, _, err := b.events.await(ctx, from, func(e baresipEvent) bool { return e.Response })
	if err != nil {
		t.Fatalf("%s: command %s was not answered: %v", b.Process.name, name, err)
	}
	if !answer.OK {
		t.Fatalf("%s: command %s %s: %s", b.Process.name, name, params, answer.Data)
	}
}

// awaitEvent waits for the next event of one of the types and returns it.
func (b *Baresip) awaitEvent(t testing.TB, types ...string) baresipEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	event, next, err := b.events.await(ctx, b.cursor, func(e baresipEvent) bool {
		for _, kind := range types {
			if e.Event && e.Type == kind {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("%s: no event %v: %v; it had %v", b.Process.name, types, err, b.seen())
	}
	b.cursor = next
	return event
}

func (b *Baresip) seen() []string {
	var seen []string
	for _, e := range b.events.all() {
		if e.Event {
			seen = append(seen, e.Type+" "+e.Param)
		}
	}
	return seen
}

// AwaitRegistered waits for its next successful REGISTER. The first may have
// been answered before the control port was open, so its output counts too.
func (b *Baresip) AwaitRegistered(t testing.TB) { t.Helper(); b.Await(t, "200 OK") }

// AwaitRefused waits until a REGISTER is refused for good.
func (b *Baresip) AwaitRefused(t testing.TB) { t.Helper(); b.Await(t, "401 ", "403 ") }

// Dial calls an extension, or a full address when it has no server.
func (b *Baresip) Dial(t testing.TB, number string) { t.Helper(); b.command(t, "dial", number) }

// Answer takes the call that rings.
func (b *Baresip) Answer(t testing.TB) { t.Helper(); b.command(t, "accept", "") }

// Hangup ends its call; one that rings here is refused as busy (486).
func (b *Baresip) Hangup(t testing.TB) { t.Helper(); b.command(t, "hangup", "") }

// Hold holds its call (re-INVITE, sendonly).
func (b *Baresip) Hold(t testing.TB) { t.Helper(); b.command(t, "hold", "") }

// Resume takes its call back from hold.
func (b *Baresip) Resume(t testing.TB) { t.Helper(); b.command(t, "resume", "") }

// Transfer refers the other party to an address (REFER).
func (b *Baresip) Transfer(t testing.TB, address string) {
	t.Helper()
	b.command(t, "transfer", address)
}

// Digit sends a digit by RFC 4733.
func (b *Baresip) Digit(t testing.TB, digit string) { t.Helper(); b.command(t, "sndcode", digit) }

// AwaitRinging waits for 180.
func (b *Baresip) AwaitRinging(t testing.TB) { t.Helper(); b.awaitEvent(t, "CALL_RINGING") }

// AwaitProgress waits for 183 with a description of early media.
func (b *Baresip) AwaitProgress(t testing.TB) { t.Helper(); b.awaitEvent(t, "CALL_PROGRESS") }

// AwaitIncoming waits until it rings.
func (b *Baresip) AwaitIncoming(t testing.TB) { t.Helper(); b.awaitEvent(t, "CALL_INCOMING") }

// Rings is how often it has rung.
func (b *Baresip) Rings() (n int) {
	for _, e := range b.events.all() {
		if e.Type == "CALL_INCOMING" {
			n++
		}
	}
	return n
}

// AwaitEstablished waits for the 200 and its ACK.
func (b *Baresip) AwaitEstablished(t testing.TB) { t.Helper(); b.awaitEvent(t, "CALL_ESTABLISHED") }

// AwaitClosed waits for the end of its call: "486 Busy Here", "Connection reset
// by peer" for a BYE.
func (b *Baresip) AwaitClosed(t testing.TB) string {
	t.Helper()
	return b.awaitEvent(t, "CALL_CLOSED").Param
}

// AwaitOK waits until a request of its own has been answered by 200; its account
// must ask for a trace.
func (b *Baresip) AwaitOK(t testing.TB, method string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	answer := false // inside a 200
	_, _, err := b.lines.await(ctx, 0, func(line string) bool {
		switch {
		case strings.HasPrefix(line, "SIP/2.0 "):
			answer = strings.HasPrefix(line, "SIP/2.0 200 ")
		case strings.HasSuffix(line, " SIP/2.0"):
			answer = false
		}
		return answer && strings.HasPrefix(line, "CSeq:") && strings.HasSuffix(line, " "+method)
	})
	if err != nil {
		t.Fatalf("%s: its %s was not answered by 200: %v", b.Process.name, method, err)
	}
}

// AwaitDigit waits for a digit, by RFC 4733 or INFO.
func (b *Baresip) AwaitDigit(t testing.TB, want string) {
	t.Helper()
	if got := b.awaitEvent(t, "CALL_DTMF_START").Param; got != want {
		t.Fatalf("%s: received digit %q, want %q", b.Process.name, got, want)
	}
}

// Ear listens to what it decodes, before any playback.
func (b *Baresip) Ear() Ear {
	return Ear{name: b.Process.name, read: tone.Read, files: func() []string {
		files, _ := filepath.Glob(filepath.Join(b.recordings(), "*-dec.wav")) // the pattern is constant
		return files
	}}
}

var _ Phone = (*Baresip)(nil)
