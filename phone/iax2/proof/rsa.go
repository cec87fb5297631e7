package proof

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// RSABits is the size of keys: Asterisk takes no other, and the result of a
// larger one (from 1536 bits on) would not fit into an element of 255 bytes.
const RSABits = 1024

// NewRSA makes a key pair.
func NewRSA() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, RSABits)
	if err != nil {
		return nil, fmt.Errorf("iax2: make a key pair of %d bits: %w", RSABits, err)
	}
	return key, nil
}

// Sign is the RSA RESULT to a challenge: the PKCS #1 v1.5 signature of its
// SHA-1 in base64 (RFC 5456 8.6).
func Sign(key *rsa.PrivateKey, challenge []byte) (string, error) {
	digest := sha1.Sum(challenge)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, digest[:])
	if err != nil {
		return "", fmt.Errorf("iax2: sign a challenge: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// Signed tells whether an RSA RESULT answers the challenge.
func Signed(key *rsa.PublicKey, challenge []byte, result string) bool {
	signature, err := base64.StdEncoding.DecodeString(result)
	digest := sha1.Sum(challenge)
	return err == nil && rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature) == nil
}

// ParsePublicKey reads "BEGIN PUBLIC KEY" (PKIX, as Asterisk's astgenkey writes
// it) or "BEGIN RSA PUBLIC KEY" (PKCS #1). The error says what to do.
func ParsePublicKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(`no PEM block: paste the whole file that begins with "-----BEGIN PUBLIC KEY-----"`)
	}
	key, err := publicKey(block)
	if err != nil {
		return nil, err
	}
	if key.N.BitLen() != RSABits {
		return nil, fmt.Errorf("a key of %d bits; IAX2 takes %d alone: make one with `openssl genrsa -traditional %d`",
			key.N.BitLen(), RSABits, RSABits)
	}
	return key, nil
}

func publicKey(block *pem.Block) (*rsa.PublicKey, error) {
	switch block.Type {
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("damaged public key: %w", err)
		}
		return key, nil
	case "PUBLIC KEY":
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("damaged public key: %w", err)
		}
		key, ok := parsed.(*rsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("a key of type %T; IAX2 takes RSA alone", parsed)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%q is no public key; give the other side's public half", block.Type)
}

// FormatPublicKey writes the public half for the other side, as
// ParsePublicKey and Asterisk read it.
func FormatPublicKey(key *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("iax2: write the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
