package secure

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Fingerprint is a line a=fingerprint (RFC 8122 5): the hash of the certificate
// that its writer proves itself with.
type Fingerprint struct {
	Hash   string // "sha-256" and so on, in small letters
	Digest []byte
}

// ErrFingerprint is wrapped by every error of ParseFingerprint.
var ErrFingerprint = errors.New("malformed a=fingerprint")

// sum hashes with a function that is still trusted; nil for any other.
func sum(hash string, b []byte) []byte {
	switch hash {
	case "sha-256":
		s := sha256.Sum256(b)
		return s[:]
	case "sha-384":
		s := sha512.Sum384(b)
		return s[:]
	case "sha-512":
		s := sha512.Sum512(b)
		return s[:]
	}
	return nil
}

// maxDigest is the bytes of the longest hash, SHA-512.
const maxDigest = 64

// ParseFingerprint reads "sha-256 AB:CD:...".
func ParseFingerprint(value string) (Fingerprint, error) {
	hash, text, _ := strings.Cut(strings.TrimSpace(value), " ")
	parts := strings.Split(strings.TrimSpace(text), ":")
	f := Fingerprint{Hash: strings.ToLower(hash)}
	if !plain(f.Hash) || len(parts) > maxDigest {
		return f, fmt.Errorf("%w: hash %.20q, %d bytes", ErrFingerprint, hash, len(parts))
	}
	for _, p := range parts {
		b, err := hex.DecodeString(p)
		if err != nil || len(b) != 1 {
			return f, fmt.Errorf("%w: %.20q is not a byte in hex", ErrFingerprint, p)
		}
		f.Digest = append(f.Digest, b[0])
	}
	return f, nil
}

// plain reports whether s can be the name of a hash.
func plain(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Value writes the line's value.
func (f Fingerprint) Value() string {
	var b strings.Builder
	b.WriteString(f.Hash)
	for i, d := range f.Digest {
		b.WriteByte(" :"[min(i, 1)])
		fmt.Fprintf(&b, "%02X", d)
	}
	return b.String()
}

// Known reports whether a certificate can be compared with it.
func (f Fingerprint) Known() bool { return len(sum(f.Hash, nil)) == len(f.Digest) && len(f.Digest) > 0 }

// Of reports whether a certificate (DER) has it.
func (f Fingerprint) Of(certificate []byte) bool {
	return f.Known() && bytes.Equal(sum(f.Hash, certificate), f.Digest)
}
