package secure

import (
	"bytes"
	"crypto/rand"
	"log/slog"
)

// Keys are the master keys of both directions, each with its salt behind it. They
// print as the name of their suite.
type Keys struct {
	Suite Suite  `json:"suite"`
	Local []byte `json:"local"` // of what we send
	// Remote is of what the party sends; MKI is what its packets carry to name
	// that key, where it said so (RFC 3711 8.1).
	Remote []byte `json:"remote"`
	MKI    []byte `json:"mki,omitempty"`
}

// NewKey makes a master key with its salt.
func NewKey(s Suite) []byte {
	b := make([]byte, s.KeyLen())
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// Valid reports whether the keys are as long as the suite asks for.
func (k Keys) Valid() bool {
	return k.Suite != None && int(k.Suite) < len(suites()) && len(k.Local) == k.Suite.KeyLen() && len(k.Remote) == k.Suite.KeyLen()
}

// Equal compares.
func (k Keys) Equal(o Keys) bool { return k.sends(o) && k.hears(o) }

func (k Keys) sends(o Keys) bool { return k.Suite == o.Suite && bytes.Equal(k.Local, o.Local) }

func (k Keys) hears(o Keys) bool {
	return k.Suite == o.Suite && bytes.Equal(k.Remote, o.Remote) && bytes.Equal(k.MKI, o.MKI)
}

// String names the suite: what encrypts must not reach a log by accident.
func (k Keys) String() string { return k.Suite.String() }

// GoString is for %#v what String is for %v.
func (k Keys) GoString() string { return "secure.Keys(" + k.Suite.String() + ")" }

// LogValue is for slog what String is for fmt.
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }
