// Package config reads tincan.toml: what the process needs to start. Everything
// else (extensions, trunks, routes) is in the store.
//
//	tincan.toml ──form.Parse──> Document ──Decode over Defaults()──> Config ──check──> Config
//	                                             └──────── faults, all at once ────────┘
//
// What is left out of the file has the default given below. There are no
// goroutines; a Config is not changed after Load.
package config

import (
	"net/netip"
	"time"
)

// DefaultFile is read when no file is named, if it is there.
const DefaultFile = "tincan.toml"

// Config is the file tincan.toml.
type Config struct {
	// Data is the folder for SQLite, the key file and certificates. A relative one
	// is relative to the folder of the file. Default "./data".
	Data string `toml:"data"`
	// Database is a DSN postgres://user:password@host/name; empty (the default)
	// means SQLite in Data.
	Database string `toml:"database"`
	// Shutdown is how long running calls get after SIGTERM. Default 30s.
	Shutdown time.Duration `toml:"shutdown"`

	SIP   SIP   `toml:"sip"`
	IAX2  IAX2  `toml:"iax2"`
	Gate  Gate  `toml:"gate"`
	RTP   RTP   `toml:"rtp"`
	ICE   ICE   `toml:"ice"`
	Sound Sound `toml:"sound"`
	HTTP  HTTP  `toml:"http"`
	Log   Log   `toml:"log"`
	Store Store `toml:"store"`

	// File is where it was read from; empty for defaults.
	File string `toml:"-"`
}

// SIP is the table [sip].
type SIP struct {
	// UDP, TCP and TLS are the addresses to listen on, ip:port. Defaults
	// 0.0.0.0:5060, 0.0.0.0:5060, 0.0.0.0:5061; an empty list listens on none.
	UDP []string `toml:"udp"`
	TCP []string `toml:"tcp"`
	TLS []string `toml:"tls"`
	// Domain is the name that phones know the server by. The digest realm is another.
	Domain string `toml:"domain"`
	// Aliases are other names that requests may be for. With a Domain, requests for
	// any other name are refused; addresses and names without dots are always taken.
	Aliases []string `toml:"aliases"`
	// PublicCalls bounds the calls of strangers to public destinations at once, half
	// of them from one address; 0 takes none. Default 10.
	PublicCalls int `toml:"public_calls"`
	// DNS are name servers (ip, or ip:port) that trunks and their services are looked
	// up at (RFC 3263). Default: the system's, and its hosts file.
	DNS []string `toml:"dns"`
	// External is the public address (or name) for phones outside; empty: found.
	External string `toml:"external"`
	// Local are the networks whose phones are told the inside address. Default: the
	// private networks of RFC 1918 and RFC 4193.
	Local []netip.Prefix `toml:"local"`
	// Certificate and Key are PEM files for TLS, both or neither; without them a
	// self-signed certificate is made. Relative to the folder of the file.
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
	// Authorities is a PEM file of certificates that trunks over TLS are believed by,
	// beside the system's: such as the self-signed one of another Tincan. Relative to
	// the folder of the file.
	Authorities string `toml:"authorities"`
	// RingTimeout ends a call that nobody answers. Default 60s.
	RingTimeout time.Duration `toml:"ring_timeout"`
	// RegisterMin and RegisterMax bound how long a registration lasts; phones
	// that ask for less than the minimum get 423 (RFC 3261 10.3). Defaults 60s, 1h.
	RegisterMin time.Duration `toml:"register_min"`
	RegisterMax time.Duration `toml:"register_max"`
	// Ping is the time between OPTIONS that keep a phone's NAT binding open; 0
	// sends none. Default 30s, below the usual 60s of UDP bindings.
	Ping time.Duration `toml:"ping"`
	// SessionExpires is the interval of session timers (RFC 4028); 0 asks for
	// none. Default 30m.
	SessionExpires time.Duration `toml:"session_expires"`
}

// IAX2 is the table [iax2]: phones and other servers that speak IAX2 (RFC 5456),
// which needs one port alone for calls and their sound.
type IAX2 struct {
	// UDP are the addresses to listen on, ip:port. Default 0.0.0.0:4569; an empty list
	// listens on none.
	UDP []string `toml:"udp"`
	// CalltokenOptional are networks whose phones may go without a call token: old
	// ones, such as iaxmodem, have none. Whoever can send with a false address of such
	// a network can fill the server with calls that do not exist. Default none.
	CalltokenOptional []netip.Prefix `toml:"calltoken_optional"`
}

// Gate is the table [gate]: how much strangers may send before they are held
// back. Who proves himself by a digest, a trunk, and what belongs to a call never
// are.
type Gate struct {
	// Enabled false lets everything in. Default true.
	Enabled bool `toml:"enabled"`
	// Rate is how many messages a second an address (of IPv6 a /64) may send for
	// long, Burst how many at once. Defaults 50, 2000: 200 phones behind one NAT
	// register at once with 800. A wrong digest counts as 40.
	Rate  int `toml:"rate"`
	Burst int `toml:"burst"`
	// Total is how many a second all strangers together may send. Default 5000.
	Total int `toml:"total"`
	// Exempt are networks that are never held back. Default none.
	Exempt []netip.Prefix `toml:"exempt"`
}

// RTP is the table [rtp].
type RTP struct {
	// Ports is "first-last": even first, RTP on the even ports and RTCP on the odd.
	// Default 10000-20000.
	Ports string `toml:"ports"`
	// First and Last are Ports, parsed.
	First uint16 `toml:"-"`
	Last  uint16 `toml:"-"`
	// Timeout ends a call whose party has sent nothing for so long while it
	// should; 0 never. Default 60s.
	Timeout time.Duration `toml:"timeout"`
	// Encryption is whether media are encrypted, for extensions and trunks that do
	// not say: "auto" takes what a phone offers and offers it over TLS, "off" never,
	// "wanted" offers always, "required" refuses calls without it. Default "auto".
	Encryption string `toml:"encryption"`
	// Kernel says whether calls that need nothing but to be handed on are relayed
	// inside the kernel: auto, where it allows that, or off. Default auto.
	Kernel string `toml:"kernel"`
}

// ICE is the table [ice]: how phones are reached through NATs and firewalls (RFC
// 8445). Phones that do not speak it never see it.
type ICE struct {
	// Mode is full; lite for a server that every phone reaches at the address that
	// it is told, so that only phones look for a way; or off. Default full.
	Mode string `toml:"mode"`
	// UDP and TCP are each one address, ip:port, for the media of all phones that
	// speak ICE, beside the ports of [rtp]: for firewalls that let one port through.
	// TCP is for networks that drop UDP (RFC 6544); it may be one of [http] tls, and
	// shares that port then. Default none.
	UDP string `toml:"udp"`
	TCP string `toml:"tcp"`
	// Stun is a server, HOST:3478, that tells each call its port as it is outside, when
	// the server is behind a NAT that gives other ports than those of [rtp]. A call
	// waits up to 2s for it. Default none: the ports are told as they are.
	Stun string `toml:"stun"`
	// Turn are relays that the server asks for an address when it is itself behind
	// a NAT that nothing passes: turn:HOST:3478 (by UDP), turn:HOST:3478?transport=tcp,
	// turns:HOST:443?transport=tcp (TLS). A call waits up to 2s for them. Default none.
	Turn     []string `toml:"turn"`
	User     string   `toml:"user"`
	Password string   `toml:"password"`
}

// KernelOff is the RTP.Kernel of those who want none.
const KernelOff = "off"

// Sound is the table [sound]: what people hear from the server itself.
type Sound struct {
	// Language is that of recordings and speech, such as en, fr or zh. Default en.
	Language string `toml:"language"`
	// Country is that of tones: two letters, such as de. Default us.
	Country string `toml:"country"`
	// Prompts is a folder of the user's own recordings, one folder in it for each
	// language; they go before those of Debian's asterisk-core-sounds. Default
	// sounds in Data. Relative to the folder of the file.
	Prompts string `toml:"prompts"`
	// Music is what is heard on hold: a folder of files, or the address of a stream
	// (http or https, MP3 or Ogg Opus); empty: silence. Default
	// /usr/share/asterisk/moh, Debian's asterisk-moh-opsound, if it is there.
	// Relative to the folder of the file.
	Music string `toml:"music"`
	// Recordings is the folder that calls are recorded in. Default recordings in
	// Data. Relative to the folder of the file.
	Recordings string `toml:"recordings"`
	// Missing is what is heard in place of a recording that cannot be played: tone
	// or silence. Default tone.
	Missing string `toml:"missing"`
}

// DebianMusic is where Debian installs music on hold.
const DebianMusic = "/usr/share/asterisk/moh"

// HTTP is the table [http].
type HTTP struct {
	// Listen is ip:port for /healthz and /metrics; empty for none. Default
	// 127.0.0.1:8080.
	Listen string `toml:"listen"`
	// TLS are the addresses, ip:port, where browsers reach the server: their phones
	// at the path /ws (SIP over WebSocket, RFC 7118). It shows the certificate of
	// [sip]. Default 0.0.0.0:8443; an empty list listens on none.
	TLS []string `toml:"tls"`
}

// Log is the table [log].
type Log struct {
	// Level is debug, info, warn or error. Default info.
	Level string `toml:"level"`
	// Format is auto (text on a terminal, else JSON), text or json. Default auto.
	Format string `toml:"format"`
}

// Store is the table [store].
type Store struct {
	// Synchronous is normal or full: full waits for the disk at every write, so
	// that a power cut loses nothing. Default normal.
	Synchronous string `toml:"synchronous"`
}

// Defaults is the configuration of an empty file, with paths relative to the
// working folder.
func Defaults() *Config {
	return &Config{
		Data:     "./data",
		Shutdown: 30 * time.Second,
		SIP: SIP{
			UDP: []string{"0.0.0.0:5060"},
			TCP: []string{"0.0.0.0:5060"},
			TLS: []string{"0.0.0.0:5061"},
			Local: []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
				netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
			},
			PublicCalls:    10,
			RingTimeout:    60 * time.Second,
			RegisterMin:    60 * time.Second,
			RegisterMax:    time.Hour,
			Ping:           30 * time.Second,
			SessionExpires: 30 * time.Minute,
		},
		IAX2:  IAX2{UDP: []string{"0.0.0.0:4569"}},
		Gate:  Gate{Enabled: true, Rate: 50, Burst: 2000, Total: 5000},
		RTP:   RTP{Ports: "10000-20000", First: 10000, Last: 20000, Timeout: 60 * time.Second, Encryption: "auto", Kernel: "auto"},
		ICE:   ICE{Mode: "full"},
		Sound: Sound{Language: "en", Country: "us", Music: DebianMusic, Missing: "tone"},
		HTTP:  HTTP{Listen: "127.0.0.1:8080", TLS: []string{"0.0.0.0:8443"}},
		Log:   Log{Level: "info", Format: "auto"},
		Store: Store{Synchronous: "normal"},
	}
}
