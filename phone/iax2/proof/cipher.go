package proof

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"

	"tincan/phone/iax2/frame"
)

// Cipher seals and opens the frames of a call with one key, AES-128 in CBC
// (RFC 5456 8.6 ENCRYPTION says no more than that; this is what Asterisk does):
//
//	full   | call numbers, 4 bytes | ▒▒▒▒ padding ▒▒▒▒ | time, numbers, type, payload |
//	mini   | call number, 2 bytes  | ▒▒▒▒ padding ▒▒▒▒ | time, payload                |
//	                               ╰────────────── encrypted, 16 n bytes ─────────────╯
//
//	padding   16 to 31 random bytes, so that blocks are full; the lower four bits
//	          of the sixteenth say how many there are beyond 16
//
// The initialisation vector is zero; the random first block stands for it.
// Nothing authenticates a frame: a wrong key gives rubbish, which is mostly but
// not always noticed here. Who acts on an opened frame must find its type, its
// sequence numbers and its time plausible.
//
// Meta frames cannot be sealed: sound of an encrypted call is never trunked.
//
// A Cipher is not changed by use: safe for concurrent use.
type Cipher struct{ block cipher.Block }

// NewCipher makes a cipher of a session's key, or of one that RTKEY brought.
func NewCipher(key [KeyLength]byte) *Cipher {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // of the key's length alone, which its type holds
	}
	return &Cipher{block}
}

// MaxPadding is how many bytes Seal adds at most.
const MaxPadding = 31

const minPadding = aes.BlockSize

// ErrSealed is a frame that cannot be opened: not sealed, damaged, or with
// another key.
var ErrSealed = errors.New("iax2: frame does not decrypt")

// parts says how many bytes of a frame are not encrypted, and how many of the
// others it needs; 0 of what cannot be sealed.
func parts(b []byte) (header, need int) {
	switch frame.KindOf(b) {
	case frame.KindFull:
		return 4, 8
	case frame.KindMini:
		return 2, 2
	}
	return 0, 0
}

// Seal appends the sealed form of a written full or mini frame. Anything else
// is an error of the caller.
func (c *Cipher) Seal(dst, b []byte) ([]byte, error) {
	header, need := parts(b)
	if header == 0 || len(b) < header+need {
		return dst, fmt.Errorf("iax2: cannot seal %d bytes that are no full or mini frame", len(b))
	}
	padding := minPadding + (aes.BlockSize-(len(b)-header)%aes.BlockSize)%aes.BlockSize
	dst = append(dst, b[:header]...)
	start := len(dst)
	dst = append(dst, make([]byte, padding)...)
	dst = append(dst, b[header:]...)
	sealed := dst[start:]
	_, _ = rand.Read(sealed[:padding]) // never fails: crypto/rand
	last := &sealed[minPadding-1]
	*last = *last&0xf0 | byte(padding-minPadding)
	c.encrypt(sealed)
	return dst, nil
}

// Open decrypts a sealed frame in place and gives the frame as it was before
// Seal, in the same memory. On an error the bytes are lost.
func (c *Cipher) Open(b []byte) ([]byte, error) {
	header, need := parts(b)
	if header == 0 {
		return nil, fmt.Errorf("%w: it is no full or mini frame", ErrSealed)
	}
	sealed := b[header:]
	if len(sealed)%aes.BlockSize != 0 || len(sealed) < minPadding+need {
		return nil, fmt.Errorf("%w: %d bytes are no whole blocks", ErrSealed, len(sealed))
	}
	c.decrypt(sealed)
	padding := minPadding + int(sealed[minPadding-1]&0x0f)
	if len(sealed) < padding+need {
		return nil, fmt.Errorf("%w: padding of %d bytes leaves no frame", ErrSealed, padding)
	}
	return b[:header+copy(sealed, sealed[padding:])], nil
}

// encrypt is CBC in place without an allocation; b is whole blocks.
func (c *Cipher) encrypt(b []byte) {
	for i := 0; i < len(b); i += aes.BlockSize {
		block := b[i : i+aes.BlockSize]
		if i > 0 {
			subtle.XORBytes(block, block, b[i-aes.BlockSize:i])
		}
		c.block.Encrypt(block, block)
	}
}

// decrypt goes backwards, since a block needs the one before it encrypted.
func (c *Cipher) decrypt(b []byte) {
	for i := len(b) - aes.BlockSize; i >= 0; i -= aes.BlockSize {
		block := b[i : i+aes.BlockSize]
		c.block.Decrypt(block, block)
		if i > 0 {
			subtle.XORBytes(block, block, b[i-aes.BlockSize:i])
		}
	}
}
