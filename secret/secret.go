// Package secret seals what must not lie about in the clear: the secrets of
// extensions and trunks, which the server needs in plain form (digest, phones'
// configuration files, IAX2) and therefore cannot keep as a hash.
//
//	sealed:v1:<key id, 8 hex>:<base64url of nonce (12) + AES-256-GCM ciphertext + tag (16)>
//
// The context (whose secret it is) is authenticated with it, so that a sealed
// value pasted to another owner does not open. The key is a file of mode 0600 in
// the data folder, made at the first start, or the environment's TINCAN_KEY.
// There are no goroutines; a Box is read-only after Open.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Prefix begins every sealed value.
const Prefix = "sealed:"

// version is the only form so far.
const version = "v1"

// keySize is AES-256's.
const keySize = 32

var (
	// ErrOtherKey: the value was sealed with another key.
	ErrOtherKey = errors.New("sealed with another key")
	// ErrDamaged: the value is not as it was sealed, or was sealed for another owner.
	ErrDamaged = errors.New("the sealed value is damaged, or belongs to something else")
)

// encoding is without padding, and strict so that one value has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// Box seals and unseals with one key. It is safe for concurrent use.
type Box struct {
	id   string
	aead cipher.AEAD
	key  [keySize]byte
}

// New makes a Box of a key of 32 bytes.
func New(key []byte) (*Box, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("secret: a key has %d bytes, this one %d", keySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	// A name that tells keys apart and tells nothing of the key.
	name := sha256.Sum256(append([]byte("tincan key id\x00"), key...))
	return &Box{id: hex.EncodeToString(name[:4]), aead: aead, key: [keySize]byte(key)}, nil
}

// ID names the key: 8 hex digits, stable, not secret.
func (b *Box) ID() string { return b.id }

// Derive gives 32 bytes for another purpose than sealing, always the same for the
// same key and purpose; they tell nothing of the key or of those for others.
func (b *Box) Derive(purpose string) []byte {
	m := hmac.New(sha256.New, b.key[:])
	m.Write([]byte("tincan derived key\x00" + purpose))
	return m.Sum(nil)
}

// Seal seals plain for its owner, named by context. Each call gives another text.
func (b *Box) Seal(plain []byte, context string) string {
	text := b.aead.Seal(nil, nil, plain, []byte(context))
	return Prefix + version + ":" + b.id + ":" + encoding.EncodeToString(text)
}

// IsSealed tells whether text has the form of a sealed value.
func IsSealed(text string) bool { return strings.HasPrefix(text, Prefix) }

// Unseal opens what Seal gave for the same context. Errors: ErrOtherKey (naming
// both keys), ErrDamaged.
func (b *Box) Unseal(sealed, context string) ([]byte, error) {
	part := strings.Split(sealed, ":")
	if len(part) != 4 || part[0]+":" != Prefix || part[1] != version {
		return nil, fmt.Errorf("%w: it has not the form %s%s:KEY:TEXT", ErrDamaged, Prefix, version)
	}
	if part[2] != b.id {
		return nil, fmt.Errorf("%w: it needs key %s, this server has %s; bring that key file, or give the secret in plain", ErrOtherKey, part[2], b.id)
	}
	text, err := encoding.DecodeString(part[3])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	plain, err := b.aead.Open(nil, nil, text, []byte(context))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// alphabet has no signs that look alike (0 o, 1 i l) and is typed without shift.
const alphabet = "23456789abcdefghjkmnpqrstuvwxyz"

// Generate makes a secret of n signs, just under 5 bits each: 20 signs are as
// strong as a key of 99 bits.
func Generate(n int) string {
	out := make([]byte, 0, n)
	buf := make([]byte, 64)
	for len(out) < n {
		_, _ = rand.Read(buf) // never fails (crypto/rand)
		for _, c := range buf {
			// 248 = 8*31: taking only those below keeps every sign equally likely.
			if int(c) < len(alphabet)*8 && len(out) < n {
				out = append(out, alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return string(out)
}
