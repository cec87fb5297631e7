package proof

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// NewChallenge gives 130 random bits as 26 characters: text, since peers keep
// it as a string of C, and short enough for their buffers.
func NewChallenge() []byte { return []byte(rand.Text()) }

// Answer is the MD5 RESULT to a challenge: 32 hex digits (RFC 5456 8.6).
func Answer(challenge []byte, secret string) string {
	key := SessionKey(challenge, secret)
	return hex.EncodeToString(key[:])
}

// Answered tells whether an MD5 RESULT, whose digits may be of either case,
// answers the challenge.
func Answered(challenge []byte, secret, result string) bool {
	want := Answer(challenge, secret)
	return subtle.ConstantTimeCompare([]byte(strings.ToLower(result)), []byte(want)) == 1
}

// KeyLength is that of AES-128 in bytes.
const KeyLength = 16

// SessionKey is the key of an encrypted call: the MD5 of the challenge that was
// answered, then the secret. With RSA the secret is still needed for it.
func SessionKey(challenge []byte, secret string) [KeyLength]byte {
	return md5.Sum(append(challenge[:len(challenge):len(challenge)], secret...))
}

// NewKey is a random key for RTKEY.
func NewKey() (key [KeyLength]byte) {
	_, _ = rand.Read(key[:]) // never fails: crypto/rand
	return key
}
