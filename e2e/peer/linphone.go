package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tincan/e2e/tone"
)

// Linphone is a linphonec 5.1 whose sound card is files. It is driven by lines
// on its standard input and tells what happens in lines of text.
type Linphone struct {
	*Process
	account Account
	folder  string

	texts, statuses int // how far its output was searched for them
}

// linphoneRate is the rate of the played file.
const linphoneRate = 16000

// registerPoll is how often it is asked whether it is registered: it does not
// tell by itself.
const registerPoll = 100 * time.Millisecond

// g722Rate is G.722's sampling rate, which SDP states as 8000 (RFC 3551, 4.5.2).
const g722Rate = 16000

// linphoneCodecs lists its codecs in its order, which an account's file must
// repeat whole to leave one enabled.
var linphoneCodecs = []struct {
	name, mime string
	rate       int
}{
	{"opus", "opus", 48000},
	{"speex16", "speex", 16000},
	{"speex", "speex", 8000},
	{"pcmu", "PCMU", 8000},
	{"pcma", "PCMA", 8000},
	{"gsm", "GSM", 8000},
	{"g722", "G722", 8000},
	{"g729", "G729", 8000},
}

// StartLinphone starts a phone and, when it has a server, waits until it is
// registered.
func StartLinphone(t testing.TB, account Account) *Linphone {
	t.Helper()
	Need(t, "linphonec")
	account = account.withDefaults()
	if account.Port == 0 {
		account.Port = FreePort(t)
	}
	l := &Linphone{account: account, folder: t.TempDir()}
	account.playFile(t, filepath.Join(l.folder, "play.wav"), linphoneRate)
	config := filepath.Join(l.folder, "linphonerc")
	if err := os.WriteFile(config, []byte(l.config(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(l.folder, ".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", config}
	if account.Auto {
		args = append(args, "-a")
	}
	l.Process = Start(t, Spec{
		Name: "linphonec " + account.Number, Path: "linphonec", Args: args, Dir: l.folder,
		Env: []string{"HOME=" + l.folder}, Netns: account.Netns,
	})
	// Its file switches IPv6 off too late for the first call.
	l.Send(t, "ipv6 disable")
	l.Await(t, "ipv6 use disabled")
	l.Send(t, "soundcard use files")
	l.Await(t, "Using wav files")
	// Names without a folder: it cuts long commands.
	l.Send(t, "play play.wav")
	l.Send(t, "record heard.wav")
	if account.Server != "" {
		l.register(t)
	}
	return l
}

func (l *Linphone) register(t testing.TB) {
	t.Helper()
	if l.account.Buddy == "" { // else its file says so
		l.Send(t, fmt.Sprintf("register sip:%s@%s sip:%s;transport=%s %s",
			l.account.Number, l.account.Server, l.account.Server, l.account.Transport, l.account.Secret))
	}
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(registerPoll)
	defer ticker.Stop()
	for {
		l.Send(t, "status register")
		if strings.Contains(l.Await(t, "registered"), "registered, identity") {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s: not registered after %v", l.name, Patience)
		}
	}
}

// config turns off what needs a network or a screen, and all codecs but one.
func (l *Linphone) config(t testing.TB) string {
	t.Helper()
	a := l.account
	var b strings.Builder
	ports := map[string]int{"udp": 0, "tcp": 0, "tls": 0}
	ports[a.Transport] = a.Port
	fmt.Fprintf(&b, "[sip]\nsip_port=%d\nsip_tcp_port=%d\nsip_tls_port=%d\n", ports["udp"], ports["tcp"], ports["tls"])
	fmt.Fprintf(&b, "bind_address=%s\nverify_server_certs=0\nverify_server_cn=0\nguess_hostname=0\n", a.IP)
	fmt.Fprintf(&b, "contact=sip:%s@%s\n", a.Number, a.own())
	if a.InfoDTMF {
		b.WriteString("use_info=1\nuse_rfc2833=0\n")
	} else {
		b.WriteString("use_info=0\nuse_rfc2833=1\n")
	}
	if a.KeepAlive > 0 {
		fmt.Fprintf(&b, "keepalive_period=%d\n", a.KeepAlive.Milliseconds())
	}
	b.WriteString(l.encryption(t))
	b.WriteString(l.buddy())
	if a.Feedback {
		b.WriteString("[proxy_default_values]\navpf=1\n")
	}
	if a.ICE {
		b.WriteString("[net]\nnat_policy_ref=own\n[nat_policy_0]\nref=own\nprotocols=ice\n")
	}
	fmt.Fprintf(&b, "[rtp]\naudio_rtp_port=%d\n", FreePort(t))
	b.WriteString("[video]\nautomatically_initiate=0\nautomatically_accept=0\n")
	for i, codec := range linphoneCodecs {
		enabled := 0
		if codec.name == a.Codec {
			enabled = 1
		}
		fmt.Fprintf(&b, "[audio_codec_%d]\nmime=%s\nrate=%d\nenabled=%d\n", i, codec.mime, codec.rate, enabled)
	}
	return b.String()
}

// encryption is what its file says of encrypted media.
func (l *Linphone) encryption(t testing.TB) string {
	t.Helper()
	name, known := map[string]string{"": "none", "srtp": "srtp", "dtls": "dtls", "zrtp": "zrtp"}[l.account.Encryption]
	if !known {
		t.Fatalf("linphone has no encryption %q", l.account.Encryption)
	}
	mandatory := 0
	if l.account.Insists {
		mandatory = 1
	}
	return fmt.Sprintf("media_encryption=%s\nmedia_encryption_mandatory=%d\n", name, mandatory)
}

func (l *Linphone) recording() string { return filepath.Join(l.folder, "heard.wav") }

// Dial calls an extension, or a full address when it has no server.
func (l *Linphone) Dial(t testing.TB, number string) { t.Helper(); l.Send(t, "call "+number) }

// Answer takes the call that rings.
func (l *Linphone) Answer(t testing.TB) { t.Helper(); l.Send(t, "answer") }

// Hangup ends its call.
func (l *Linphone) Hangup(t testing.TB) { t.Helper(); l.Send(t, "terminate") }

// Hold holds its call and waits until the other side has agreed.
func (l *Linphone) Hold(t testing.TB) {
	t.Helper()
	l.Send(t, "pause")
	l.Await(t, "is now paused")
}

// Resume takes its call back from hold.
func (l *Linphone) Resume(t testing.TB) {
	t.Helper()
	l.Send(t, "resume")
	l.Await(t, "Media streams established")
}

// Transfer refers the other party to an address (REFER).
func (l *Linphone) Transfer(t testing.TB, address string) { t.Helper(); l.Send(t, "transfer "+address) }

// TransferTo refers the party of one of its calls to that of another (REFER with
// Replaces); they are numbered from 1.
func (l *Linphone) TransferTo(t testing.TB, one, other int) {
	t.Helper()
	l.Send(t, fmt.Sprintf("transfer %d --to-call %d", one, other))
}

// Digit sends a digit, by RFC 4733 or, as its account says, INFO.
func (l *Linphone) Digit(t testing.TB, digit string) { t.Helper(); l.Send(t, digit) }

// AwaitRinging waits for 180.
func (l *Linphone) AwaitRinging(t testing.TB) { t.Helper(); l.Await(t, " ringing.") }

// AwaitIncoming waits until it rings.
func (l *Linphone) AwaitIncoming(t testing.TB) { t.Helper(); l.Await(t, "Receiving new incoming call") }

// AwaitEstablished waits until its media flow.
func (l *Linphone) AwaitEstablished(t testing.TB) {
	t.Helper()
	l.Await(t, "Media streams established")
}

// AwaitClosed waits for the end of its call: "Call 1 with sip:102@... ended (No error)."
func (l *Linphone) AwaitClosed(t testing.TB) string {
	t.Helper()
	return l.Await(t, " ended (", " error.")
}

// AwaitDigit waits for a digit.
func (l *Linphone) AwaitDigit(t testing.TB, want string) {
	t.Helper()
	l.Await(t, "Receiving tone "+want)
}

// Ear listens to its playback.
func (l *Linphone) Ear() Ear {
	return Ear{name: l.name, read: l.listen, files: func() []string { return []string{l.recording()} }}
}

// listen reads its recording, whose header is zeros until its call ends.
func (l *Linphone) listen(path string) (tone.Sound, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return tone.Sound{}, err
	}
	if s, err := tone.Decode(b); err == nil {
		return s, nil
	}
	return tone.DecodeUnfinished(b, l.rate()), nil
}

// rate is the sampling rate of its codec.
func (l *Linphone) rate() int {
	for _, codec := range linphoneCodecs {
		if codec.name == l.account.Codec {
			if codec.name == "g722" {
				return g722Rate
			}
			return codec.rate
		}
	}
	return linphoneRate
}

var _ Phone = (*Linphone)(nil)

// ShortWords waits for the short authentication string of ZRTP, which both people
// read to each other.
func (l *Linphone) ShortWords(t testing.TB) string {
	t.Helper()
	line := l.Await(t, "is fully encrypted and auth token is")
	_, words, _ := strings.Cut(line, "token is ")
	return words
}
