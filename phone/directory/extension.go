package directory

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/store"
)

const (
	// maxNumber bounds a number: E.164 has 15 digits, and room for a prefix.
	maxNumber = 20
	// maxName bounds what a phone shows of a name.
	maxName = 64
	// maxSecret bounds a secret; more adds nothing.
	maxSecret = 128
	// maxRing bounds how long an extension may ring: RFC 3261 gives up at 180 s.
	maxRing = 180
)

// Extension is a number of this system and the account behind it. It is shared
// by all readers of a Snapshot: do not change it.
type Extension struct {
	Number, Name string
	Codecs       []string // allowed, in order of preference; none: all
	Digest       string   // "md5" or "sha256": which is offered first
	RingSeconds  int      // 0: the server's ring_timeout
	Sound        Sound
	Encryption   string // one of Encryptions; "": as [rtp] encryption says
	ICE          string // one of ICEs
	Offer        string // one of offers; "": early
	IAX2         bool   // its devices may register by IAX2
	// HA1MD5 and HA1SHA256 are H(number:realm:secret) in hex (RFC 7616 3.4.2).
	HA1MD5, HA1SHA256 string

	password string
}

// Password is the secret in plain if IAX2 is set, whose challenges need it; else
// nothing.
func (e *Extension) Password() string { return e.password }

// String is the number: what authenticates must not reach a log by accident.
func (e Extension) String() string { return e.Number }

// LogValue is for slog what String is for fmt.
func (e Extension) LogValue() slog.Value { return slog.StringValue(e.Number) }

// ExtensionForm is one [[extension]] of space.toml.
type ExtensionForm struct {
	Number string   `toml:"number"`
	Name   string   `toml:"name,omitempty"`
	Secret string   `toml:"secret"`
	Codecs []string `toml:"codecs,omitempty"`
	// Digest is "md5" (also when empty: old phones refuse SHA-256) or "sha256".
	Digest      string `toml:"digest,omitempty"`
	RingSeconds int    `toml:"ring_seconds,omitempty"`
	// DTMF is how keys go: "auto" (also when empty): as telephone events where
	// the phone agrees to them, else by INFO; "inband": as tones in the sound;
	// "info": by INFO.
	DTMF string `toml:"dtmf,omitempty"`
	// Clean is what is done to the phone's sound before others hear it, any of
	// "echo", "level", "noise". Default none.
	Clean []string `toml:"clean,omitempty"`
	// Encryption is whether its media are encrypted: "auto": if the phone offers it,
	// and offered to it over TLS; "off"; "wanted": offered always, and a call
	// without it goes on; "required": a call without it is refused. When empty as
	// [rtp] encryption says.
	Encryption string `toml:"encryption,omitempty"`
	// ICE is how the phone is reached through NATs (RFC 8839): "auto" (also when
	// empty): by ICE if it offers that, or is a browser; "wanted": it is offered
	// ICE too; "off": never.
	ICE string `toml:"ice,omitempty"`
	// Offer is who makes the offer of media when the phone is called: "early" (also
	// when empty): the server; "late": the phone, in its answer.
	Offer string `toml:"offer,omitempty"`
	// IAX2 lets its devices register by IAX2 too, with the same secret. Default
	// false.
	IAX2 bool `toml:"iax2,omitempty"`
}

// ha1 computes both hashes for a realm.
func (e *Extension) ha1(realm, secret string) {
	e.HA1MD5, e.HA1SHA256 = hashes(e.Number, realm, secret)
}

// Extensions is the table of extensions as package space applies it.
type Extensions struct{}

// Kind is the name of the objects in space.toml and in destinations.
func (Extensions) Kind() string { return "extension" }

// Key tells extensions apart.
func (Extensions) Key(e ExtensionForm) string { return e.Number }

// Secret gives the place of the secret, and the context it is sealed for.
func (Extensions) Secret(e *ExtensionForm) (text *string, context string) {
	return &e.Secret, secretContext(e.Number)
}

func secretContext(number string) string { return "extension:" + number + "/secret" }

// Normal writes the same thing in one way.
func (Extensions) Normal(e *ExtensionForm) {
	if e.Digest == "md5" {
		e.Digest = ""
	}
	normalSound(&e.DTMF, &e.Clean)
	normalICE(&e.ICE)
	normalOffer(&e.Offer)
}

// Check finds what is wrong with each by itself. Secrets are not looked at while
// they are sealed.
func (Extensions) Check(all []ExtensionForm) []form.Problem {
	var c problems
	for i, e := range all {
		c.index = i
		if !isNumber(e.Number) {
			c.add("number", fmt.Sprintf("%q is not a number", e.Number), fmt.Sprintf("write 1 to %d digits in quotes instead", maxNumber))
		}
		c.name("name", e.Name)
		c.secret(e.Secret)
		c.codecs(e.Codecs)
		c.sound(e.DTMF, e.Clean)
		c.word("encryption", e.Encryption, Encryptions())
		c.word("ice", e.ICE, ices())
		c.word("offer", e.Offer, offers())
		if !slices.Contains([]string{"", "md5", "sha256"}, e.Digest) {
			c.add("digest", fmt.Sprintf("%q is not known", e.Digest), form.Suggest(e.Digest, []string{"md5", "sha256"}))
		}
		if e.RingSeconds < 0 || e.RingSeconds > maxRing {
			c.add("ring_seconds", fmt.Sprintf("%d is out of range", e.RingSeconds), fmt.Sprintf("write 1 to %d instead, or leave it out", maxRing))
		}
	}
	return c.found
}

func isNumber(s string) bool {
	return s != "" && len(s) <= maxNumber && strings.Trim(s, "0123456789") == ""
}

// Read reads all, sorted by number, with sealed secrets.
func (Extensions) Read(tx *store.Tx) ([]ExtensionForm, error) {
	rows, err := tx.Query("SELECT number, name, secret, codecs, digest, ring_seconds, dtmf, clean, encryption, ice, offer, iax2 FROM directory_extension")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []ExtensionForm
	for rows.Next() {
		var e ExtensionForm
		var codecs, clean string
		if err := rows.Scan(&e.Number, &e.Name, &e.Secret, &codecs, &e.Digest, &e.RingSeconds, &e.DTMF, &clean, &e.Encryption, &e.ICE, &e.Offer, &e.IAX2); err != nil {
			return nil, err
		}
		e.Codecs, e.Clean = words(codecs), words(clean)
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b ExtensionForm) int { return compareNumbers(a.Number, b.Number) })
	return all, rows.Err()
}

// Compare is the order in which extensions are listed: as numbers.
func (Extensions) Compare(a, b ExtensionForm) int { return compareNumbers(a.Number, b.Number) }

// compareNumbers puts 99 before 101, and 099 after 99.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// Write puts and removes; secrets are sealed already.
func (Extensions) Write(tx *store.Tx, put []ExtensionForm, remove []string) error {
	for _, number := range remove {
		if _, err := tx.Exec("DELETE FROM directory_extension WHERE number = ?", number); err != nil {
			return err
		}
	}
	for _, e := range put {
		_, err := tx.Exec(`INSERT INTO directory_extension (number, name, secret, codecs, digest, ring_seconds,
			dtmf, clean, encryption, ice, offer, iax2) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET name = excluded.name, secret = excluded.secret,
			codecs = excluded.codecs, digest = excluded.digest, ring_seconds = excluded.ring_seconds,
			dtmf = excluded.dtmf, clean = excluded.clean, encryption = excluded.encryption,
			ice = excluded.ice, offer = excluded.offer, iax2 = excluded.iax2`,
			e.Number, e.Name, e.Secret, strings.Join(e.Codecs, " "), e.Digest, e.RingSeconds, e.DTMF, strings.Join(e.Clean, " "), e.Encryption, e.ICE, e.Offer, e.IAX2)
		if err != nil {
			return fmt.Errorf("extension %s: %w", e.Number, err)
		}
	}
	return nil
}

// words is the other way of strings.Join with a space; nil for none.
func words(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, " ")
}
