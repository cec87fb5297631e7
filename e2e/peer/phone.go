package peer

import (
	"net"
	"strconv"
	"testing"
	"time"

	"tincan/e2e/tone"
)

// Phone is what tests do with a phone, whoever wrote it. Await methods take the
// phone's events in order: each looks behind the one awaited before.
type Phone interface {
	Dial(t testing.TB, number string)
	Answer(t testing.TB)
	Hangup(t testing.TB)
	Hold(t testing.TB)
	Resume(t testing.TB)
	Digit(t testing.TB, digit string)

	AwaitRinging(t testing.TB)            // it dialled, and the other side rings
	AwaitIncoming(t testing.TB)           // it rings itself
	AwaitEstablished(t testing.TB)        // its call is answered
	AwaitClosed(t testing.TB) string      // its call is over; why, in its words
	AwaitDigit(t testing.TB, want string) // it was sent a DTMF digit

	Ear() Ear
}

// Account is one phone: who it is, where its server is, and what it plays.
type Account struct {
	Number    string
	Secret    string
	Server    string  // host:port of the server for Transport; empty: no server, calls go to full addresses
	Transport string  // udp (when empty), tcp or tls
	Codec     string  // the one codec it offers: pcmu (when empty), pcma, g722, opus, gsm, speex
	Tone      float64 // what it plays, Hz
	Feedback  bool    // it offers RTP/AVPF (linphone)
	Keys      string  // what it presses as tones in its sound, instead of Tone
	Video     bool    // it has a camera that films a pattern, and a screen (baresip, browser)
	Film      string  // the one codec of its pictures: vp8 (when empty), vp9, h264 (baresip)
	Echoes    bool    // it says what it hears, instead of Tone: its loudspeaker is beside its microphone (baresip)

	// Encryption is how its media are: "srtp" (keys in descriptions), "dtls" or
	// "zrtp" (linphone); in the clear when empty. Insists: it takes no other.
	Encryption string
	Insists    bool

	Buddy     string        // a number whose presence it watches; it publishes its own (linphone)
	Flows     []string      // host:port of each way to the server, which it keeps one flow by (RFC 5626, baresip)
	KeepAlive time.Duration // how often it shows that it is there; its own choice when 0 (linphone)
	Trace     bool          // prints the SIP it sends and receives (baresip)
	Relays    any           // RTCConfiguration of its page (browser)
	STUN      string        // host:port that tells it its address outside (baresip)
	NoUDP     bool          // whoever manages it lets it send media by no UDP of its own (browser)
	Trickles  bool          // tells its candidates by INFO, once the call stands (browser)
	ICE       bool          // looks for its way by ICE (baresip, linphone)
	Auto      bool          // answers by itself
	Levels    bool          // says in each packet's header how loud it is (RFC 6464, baresip)
	InfoDTMF  bool          // sends digits as SIP INFO instead of RFC 4733 (linphone)
	Port      int           // SIP port of its own; a free one when 0
	IP        string        // its own address; 127.0.0.1 when empty
	Netns     Netns         // where it runs
}

const (
	localhost = "127.0.0.1"

	// playFor is the length of the tone file; phones start it again at its end.
	playFor = 60 * time.Second
)

func (a Account) withDefaults() Account {
	if a.Transport == "" {
		a.Transport = "udp"
	}
	if a.Codec == "" {
		a.Codec = "pcmu"
	}
	if a.IP == "" {
		a.IP = localhost
	}
	return a
}

// own is the address that the phone listens on.
func (a Account) own() string { return net.JoinHostPort(a.IP, strconv.Itoa(a.Port)) }

// playFile writes what the phone plays.
func (a Account) playFile(t testing.TB, path string, rate int) {
	t.Helper()
	sound := tone.Sine(a.Tone, playFor, rate)
	if a.Keys != "" {
		sound = tone.Keys(a.Keys, playFor, rate)
	}
	if err := tone.Write(path, sound); err != nil {
		t.Fatalf("phone %s: write its tone: %v", a.Number, err)
	}
}
