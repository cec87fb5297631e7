package directory

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxBindings bounds the devices of one extension: a member's phones and apps,
// with room; each rings at every call.
const MaxBindings = 10

// Binding is one device registered for an extension (RFC 3261 10, RFC 5626).
type Binding struct {
	Extension string
	Instance  string         // +sip.instance; empty if the phone says none
	RegID     int            // reg-id; 0 if it says none
	Contact   string         // the URI as the phone gave it
	Received  netip.AddrPort // where its packets come from
	Transport string         // "udp", "tcp" or "tls"
	Local     string         // our address that it came to
	Path      []string       // RFC 3327
	UserAgent string
	CallID    string // of its last REGISTER
	CSeq      uint32
	Expires   time.Time
	Updated   time.Time
	Node      string  // which node has it
	Flow      string  // the connection there
	Q         float64 // preference, 0 to 1
}

// Key tells an extension's devices apart: by instance and reg-id where the phone
// says them (RFC 5626 4), else by contact.
func (b *Binding) Key() string {
	if b.Instance != "" {
		return b.Instance + ";" + strconv.Itoa(b.RegID)
	}
	return b.Contact
}

// Shown is the Contact without what it says of the phone's push service (RFC 8599),
// which nobody else is told.
func (b *Binding) Shown() string {
	at := strings.LastIndexByte(b.Contact, '@') + 1
	rest, headers, has := strings.Cut(b.Contact[at:], "?")
	parts := slices.DeleteFunc(strings.Split(rest, ";"), func(p string) bool {
		return len(p) > len("pn-") && strings.EqualFold(p[:len("pn-")], "pn-")
	})
	shown := b.Contact[:at] + strings.Join(parts, ";")
	if has {
		shown += "?" + headers
	}
	return shown
}

// compact copies the texts: as a parser gives them they are parts of a whole
// message, which a binding would keep alive.
func (b *Binding) compact() {
	for _, s := range []*string{&b.Extension, &b.Instance, &b.Contact, &b.Transport, &b.UserAgent, &b.CallID} {
		*s = strings.Clone(*s)
	}
	b.Path = slices.Clone(b.Path)
	for i := range b.Path {
		b.Path[i] = strings.Clone(b.Path[i])
	}
}

func (b *Binding) source() source {
	return source{b.Received, strings.ToLower(b.Transport)}
}

// source is where a device's packets come from.
type source struct {
	addr      netip.AddrPort
	transport string
}
