package secure

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// Crypto is a line a=crypto of a description (RFC 4568 4, 9.1): a suite and the
// master key of what its writer sends.
//
//	1 AES_CM_128_HMAC_SHA1_80 inline:base64(key and salt)|2^20|1:4 WSH=64
//	tag suite                                            life  MKI  parameters
type Crypto struct {
	Tag   uint32
	Suite Suite
	Name  string // of the suite, as it was written: an answer repeats it
	Key   []byte // with its salt
	MKI   []byte
	// Barred are parameters that change how packets are protected, so that the
	// line cannot be taken.
	Barred bool
}

// ErrCrypto is wrapped by every error of ParseCrypto.
var ErrCrypto = errors.New("malformed a=crypto")

// maxMKI bounds the bytes of an MKI that are read; RFC 4568 allows 128, and
// nobody uses more than 4.
const maxMKI = 8

// ParseCrypto reads the value of a=crypto. A suite that is not known gives None. Lines
// with more keys than one are an error: nobody offers them.
func ParseCrypto(value string) (Crypto, error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return Crypto{}, fmt.Errorf("%w: it wants tag, suite and key", ErrCrypto)
	}
	tag, err := strconv.ParseUint(f[0], 10, 30)
	if err != nil {
		return Crypto{}, fmt.Errorf("%w: tag %.20q", ErrCrypto, f[0])
	}
	c := Crypto{Tag: uint32(tag), Suite: Named(f[1]), Name: f[1], Barred: slices.ContainsFunc(f[3:], bars)}
	if c.Suite == None {
		return c, nil // what its key looks like is not known either
	}
	return c, c.inline(f[2])
}

// bars tells whether a parameter changes the protection (RFC 4568 6.3): all but
// the hint of a window, and those that may be ignored.
func bars(param string) bool {
	return !strings.HasPrefix(param, "WSH=") && !strings.HasPrefix(param, "-")
}

// inline reads "inline:key|lifetime|MKI:length".
func (c *Crypto) inline(text string) error {
	method, rest, _ := strings.Cut(text, ":")
	if !strings.EqualFold(method, "inline") {
		return fmt.Errorf("%w: key method %.20q", ErrCrypto, method)
	}
	parts := strings.Split(rest, "|")
	key, err := base64.StdEncoding.DecodeString(padded(parts[0]))
	if err != nil || len(key) != c.Suite.KeyLen() {
		return fmt.Errorf("%w: the key is not %d bytes in base64", ErrCrypto, c.Suite.KeyLen())
	}
	c.Key = key
	for _, p := range parts[1:] {
		value, length, isMKI := strings.Cut(p, ":")
		if !isMKI {
			continue // a lifetime: far longer than any call
		}
		if c.MKI, err = mki(value, length); err != nil {
			return err
		}
	}
	return nil
}

// padded adds the end that some phones leave out.
func padded(s string) string {
	s = strings.TrimRight(s, "=")
	return s + strings.Repeat("=", (4-len(s)%4)%4)
}

// mki reads a decimal number and how many bytes it has in packets.
func mki(value, length string) ([]byte, error) {
	n, err := strconv.ParseUint(length, 10, 8)
	if err != nil || n == 0 || n > maxMKI {
		return nil, fmt.Errorf("%w: an MKI of %.10q bytes", ErrCrypto, length)
	}
	v, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n < maxMKI && v>>(8*n) != 0 {
		return nil, fmt.Errorf("%w: MKI %.20q", ErrCrypto, value)
	}
	return binary.BigEndian.AppendUint64(nil, v)[maxMKI-n:], nil
}

// Value writes the line's value.
func (c Crypto) Value() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s inline:%s", c.Tag, c.Name, base64.StdEncoding.EncodeToString(c.Key))
	if len(c.MKI) > 0 {
		wide := append(make([]byte, maxMKI-len(c.MKI)), c.MKI...)
		fmt.Fprintf(&b, "|%d:%d", binary.BigEndian.Uint64(wide), len(c.MKI))
	}
	if c.Barred {
		b.WriteString(" UNENCRYPTED_SRTP")
	}
	return b.String()
}

// String shows everything but the key.
func (c Crypto) String() string { return fmt.Sprintf("%d %s", c.Tag, c.Name) }

// GoString is for %#v what String is for %v.
func (c Crypto) GoString() string { return "secure.Crypto(" + c.String() + ")" }

// LogValue is for slog what String is for fmt.
func (c Crypto) LogValue() slog.Value { return slog.StringValue(c.String()) }

// usable reports whether the line can be taken.
func (c Crypto) usable() bool { return c.Suite != None && len(c.Key) > 0 && !c.Barred }

// Offer makes the lines of an offer, each with a key of its own. AES-256 with a
// short tag is left out, to keep the message short: who knows it knows the long one.
func Offer() []Crypto {
	var out []Crypto
	for i, s := range Suites() {
		if s != AES256CM32 {
			out = append(out, Crypto{Tag: uint32(i + 1), Suite: s, Name: s.String(), Key: NewKey(s)})
		}
	}
	return out
}

// Choose takes the first line of an offer that can be, which is the one that the
// offerer prefers (RFC 4568 5.1.2), and makes the answer. had is the answer to the
// last offer: its key stays if the suite does. ok is false if no line can be.
func Choose(offer []Crypto, had Crypto) (answer Crypto, keys Keys, ok bool) {
	i := slices.IndexFunc(offer, Crypto.usable)
	if i < 0 {
		return answer, keys, false
	}
	theirs := offer[i]
	answer = Crypto{Tag: theirs.Tag, Suite: theirs.Suite, Name: theirs.Name, Key: had.Key}
	if had.Suite != theirs.Suite || len(had.Key) == 0 {
		answer.Key = NewKey(theirs.Suite)
	}
	return answer, Keys{Suite: theirs.Suite, Local: answer.Key, Remote: theirs.Key, MKI: theirs.MKI}, true
}

// Accepted finds the line of our offer that an answer took. ok is false if it took
// none, or what was not offered (RFC 4568 5.1.3).
func Accepted(offer, answer []Crypto) (taken Crypto, keys Keys, ok bool) {
	if len(answer) != 1 || !answer[0].usable() {
		return taken, keys, false
	}
	theirs := answer[0]
	for _, ours := range offer {
		if ours.Tag == theirs.Tag && ours.Suite == theirs.Suite {
			return ours, Keys{Suite: ours.Suite, Local: ours.Key, Remote: theirs.Key, MKI: theirs.MKI}, true
		}
	}
	return taken, keys, false
}
