package proof

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"
)

// TokenLength is how many bytes a token has: text, since peers keep it as a
// string of C. Of its 48 bits a stranger who cannot see our answers guesses one
// in 2^47 tries, and has 20 s. Longer ones would make the answer longer than
// the shortest registration that draws it.
const TokenLength = 8

// tokenBits is the part of the MAC that a token holds, in bytes.
const tokenBits = TokenLength * 3 / 4

// tokenBucket is how long the same token is issued to an address. It stays
// valid for one bucket more: 10 to 20 s, enough for a few retransmissions of
// what carries it.
const tokenBucket = 10 * time.Second

// Tokens issues and checks tokens without keeping any: a token is a MAC of who
// asked and when. The key is of this process, and the time is in the MAC, so
// nothing else need rotate. Safe for concurrent use.
type Tokens struct{ key [sha256.Size]byte }

// NewTokens makes a key of its own.
func NewTokens() *Tokens {
	t := new(Tokens)
	_, _ = rand.Read(t.key[:]) // never fails: crypto/rand
	return t
}

// Issue gives the token of an address at that time.
func (t *Tokens) Issue(addr netip.AddrPort, now time.Time) []byte {
	return t.token(addr, bucket(now))
}

// Valid tells whether a token was issued to that address shortly before now.
func (t *Tokens) Valid(token []byte, addr netip.AddrPort, now time.Time) bool {
	b := bucket(now)
	fresh := subtle.ConstantTimeCompare(token, t.token(addr, b))
	return fresh|subtle.ConstantTimeCompare(token, t.token(addr, b-1)) == 1
}

func bucket(now time.Time) int64 { return now.Unix() / int64(tokenBucket/time.Second) }

func (t *Tokens) token(addr netip.AddrPort, bucket int64) []byte {
	ip := addr.Addr().As16() // the same for an IPv4 address and its mapped form
	said := binary.BigEndian.AppendUint16(ip[:], addr.Port())
	said = binary.BigEndian.AppendUint64(said, uint64(bucket))
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write(said)
	return base64.RawURLEncoding.AppendEncode(nil, mac.Sum(nil)[:tokenBits])
}
