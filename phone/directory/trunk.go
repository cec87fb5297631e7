package directory

import (
	"cmp"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tincan/phone/directory/key"
)

// Trunk is a link to another phone system. It is shared by all readers of a
// Snapshot: do not change it.
type Trunk struct {
	Name         string
	Protocol     string // one of protocols; "": SIP
	Address      string // host or host:port, where its calls go; "" when it registers here
	Proxy        string // host or host:port that requests go through; "": none
	Domain       string // after the @ of addresses there
	Transport    string // "udp", "tcp", "tls"; "": as DNS says, else udp
	Register     bool   // we register there
	Expires      time.Duration
	Username     string
	AuthUsername string // in digests; as Username when not said
	Accept       string // "register", "digest", or "": see TrunkForm
	Match        []Match
	Codecs       []string // allowed, in order of preference; none: all
	CallerID     string   // "from", "pai", "ppi" or "rpid"
	Number       string   // shown instead of who calls; "": who calls
	Privacy      bool     // who calls is never shown
	Trusted      bool     // its P-Asserted-Identity and Remote-Party-ID are believed
	NumberFrom   string   // "request", "to" or "p-called-party-id"
	URI          string   // "sip" or "tel"
	Limit        int      // calls at once; 0: any number
	Qualify      time.Duration
	Sound        Sound
	Encryption   string // one of Encryptions; "": as [rtp] encryption says
	ICE          string // one of ICEs
	Offer        string // one of offers; "": early
	Token        string // user of our Contact there: who knows it is this trunk

	// Of IAX2 alone.
	Key      *rsa.PublicKey // the other side's; nil: it has none
	Trunking bool           // sound of several calls shares datagrams
	Transfer bool           // calls may leave this server

	password string
}

// Password is the secret in plain, which digests there need: their realm is not
// known before they ask.
func (t *Trunk) Password() string { return t.password }

// String is the name: what authenticates must not reach a log by accident.
func (t Trunk) String() string { return t.Name }

// LogValue is for slog what String is for fmt.
func (t Trunk) LogValue() slog.Value { return slog.StringValue(t.Name) }

// Ref is the trunk as a party or destination.
func (t *Trunk) Ref() string { return trunkRef(t.Name) }

func trunkRef(name string) string { return "trunk:" + name }

// TrunkForm is one [[trunk]] of space.toml. What is left out is as its template
// says, else as stands here.
type TrunkForm struct {
	Name string `toml:"name"`
	// Protocol is "sip" (also when empty) or "iax2".
	Protocol string `toml:"protocol,omitempty"`
	// Template is a carrier or router in templates.toml: "generic" when empty.
	Template string `toml:"template,omitempty"`
	// Address is host or host:port: the registrar, and where calls go.
	Address string `toml:"address,omitempty"`
	// Proxy is host or host:port that all goes through (outbound proxy).
	Proxy string `toml:"proxy,omitempty"`
	// Domain is what stands after the @; the address's host when empty.
	Domain string `toml:"domain,omitempty"`
	// Transport is "udp", "tcp" or "tls"; when empty DNS decides (RFC 3263), else
	// udp.
	Transport string `toml:"transport,omitempty"`
	// Register is whether we register there. Default false.
	Register *bool `toml:"register,omitempty"`
	// Expires is how long a registration is to last. Default 10m.
	Expires time.Duration `toml:"expires,omitempty"`
	// Username is the account; AuthUsername the one for digests, where it differs.
	Username     string `toml:"username,omitempty"`
	AuthUsername string `toml:"auth_username,omitempty"`
	Secret       string `toml:"secret,omitempty"`
	// Accept is how the other side proves itself here with username and secret:
	// "register": it registers, as a phone does, and calls go where it registered;
	// "digest": it is asked at each call. Empty: by match, or by the Contact that
	// we registered.
	Accept string   `toml:"accept,omitempty"`
	Match  []string `toml:"match,omitempty"`
	Codecs []string `toml:"codecs,omitempty"`
	// CallerID is how who calls is shown: "from" (default): in From; else From has
	// the account and who calls is in P-Asserted-Identity ("pai"),
	// P-Preferred-Identity ("ppi", RFC 3325) or Remote-Party-ID ("rpid").
	CallerID string `toml:"caller_id,omitempty"`
	// Number is shown for every caller, instead of the extension's.
	Number string `toml:"number,omitempty"`
	// Privacy hides every caller (RFC 3323). Default false.
	Privacy *bool `toml:"privacy,omitempty"`
	// TrustIdentity believes P-Asserted-Identity and Remote-Party-ID of its calls.
	// Default false.
	TrustIdentity *bool `toml:"trust_identity,omitempty"`
	// NumberFrom is where the number is that it calls: "request" (default; To where
	// the request names our Contact), "to" or "p-called-party-id".
	NumberFrom string `toml:"number_from,omitempty"`
	// URI is what numbers are written as there: "sip" (default) or "tel".
	URI string `toml:"uri,omitempty"`
	// Limit is how many calls there may be at once, both ways. 0: any number.
	Limit int `toml:"limit,omitempty"`
	// Qualify is the time between OPTIONS that find out whether it is up. 0 sends
	// none (default).
	Qualify *time.Duration `toml:"qualify,omitempty"`
	// DTMF and Clean are as of an extension.
	DTMF  string   `toml:"dtmf,omitempty"`
	Clean []string `toml:"clean,omitempty"`
	// Encryption is as of an extension.
	Encryption string `toml:"encryption,omitempty"`
	// ICE is as of an extension; what browsers are offered, a trunk never is.
	ICE string `toml:"ice,omitempty"`
	// Offer is as of an extension.
	Offer string `toml:"offer,omitempty"`

	// What follows is of IAX2 alone; it has not what says SIP, DNS or address@domain
	// above. Encryption is AES-128 there, by a key made of the secret: "auto" takes
	// it where the other side offers it.

	// Key is the other side's public RSA key in PEM: it is believed by that instead of
	// the secret, and we prove ourselves there by ours (tincan trunk key).
	Key string `toml:"key,omitempty"`
	// Trunking puts the sound of all calls into shared packets. Default false.
	Trunking *bool `toml:"trunking,omitempty"`
	// Transfer lets two IAX2 calls of this server be joined directly by the other
	// sides, past the server. Default false.
	Transfer *bool `toml:"transfer,omitempty"`
}

// Trunks is the table of trunks as package space applies it.
type Trunks struct{}

// Kind is the name of the objects in space.toml and in destinations.
func (Trunks) Kind() string { return "trunk" }

// Key tells trunks apart.
func (Trunks) Key(t TrunkForm) string { return t.Name }

// Compare is the order in which trunks are listed.
func (Trunks) Compare(a, b TrunkForm) int { return strings.Compare(a.Name, b.Name) }

// Secret gives the place of the secret, and the context it is sealed for; nil for
// a trunk without an account, or with a key and no secret.
func (Trunks) Secret(t *TrunkForm) (text *string, context string) {
	if t.Username == "" || t.Key != "" && t.Secret == "" {
		return nil, ""
	}
	return &t.Secret, trunkContext(t.Name)
}

// Foreign reports whether the secret comes from the other side: only an account
// here can have one made.
func (Trunks) Foreign(t TrunkForm) bool { return t.Accept == "" }

func trunkContext(name string) string { return trunkRef(name) + "/secret" }

// defaultExpires is short enough that a carrier forgets an address of ours that
// has changed, and long enough to be no burden.
const defaultExpires = 10 * time.Minute

// trunk makes the trunk of a checked form, all but its password.
func (f *TrunkForm) trunk() (*Trunk, error) {
	w := f.Whole()
	host, err := parseTarget(w.Address)
	if err != nil && w.Address != "" {
		return nil, fmt.Errorf("trunk %s: address %q %w", f.Name, w.Address, err)
	}
	t := &Trunk{
		Name: w.Name, Protocol: w.Protocol, Trunking: is(w.Trunking), Transfer: is(w.Transfer), Address: w.Address, Proxy: w.Proxy, Domain: cmp.Or(w.Domain, host.host()), Transport: w.Transport,
		Register: is(w.Register), Expires: cmp.Or(w.Expires, defaultExpires),
		Username: w.Username, AuthUsername: cmp.Or(w.AuthUsername, w.Username), Accept: w.Accept, Codecs: w.Codecs,
		CallerID: cmp.Or(w.CallerID, "from"), Number: w.Number, Privacy: is(w.Privacy), Trusted: is(w.TrustIdentity),
		NumberFrom: cmp.Or(w.NumberFrom, "request"), URI: cmp.Or(w.URI, "sip"), Limit: w.Limit,
		Sound: sound(w.DTMF, w.Clean), Encryption: w.Encryption, ICE: w.ICE, Offer: w.Offer,
	}
	if w.Qualify != nil {
		t.Qualify = *w.Qualify
	}
	if w.Key != "" {
		if t.Key, err = key.Parse([]byte(w.Key)); err != nil {
			return nil, fmt.Errorf("trunk %s: its key is %w", f.Name, err)
		}
	}
	for _, text := range w.Match {
		m, err := ParseMatch(text)
		if err != nil {
			return nil, fmt.Errorf("trunk %s: %w", f.Name, err)
		}
		t.Match = append(t.Match, m)
	}
	return t, nil
}

func is(b *bool) bool { return b != nil && *b }
