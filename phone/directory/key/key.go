// Package key has the RSA keys by which IAX2 trunks may prove themselves instead
// of by a password: this server's pair, in a file of mode 0600 that is made at its
// first use, and the public halves of the other sides. No goroutines.
//
//	data/iax2.key ──Open──► private, signs challenges        (phone/iax2)
//	                          └─Format──► public half, given to the other side
//	space.toml, key = ".." ──Parse──► the other side's public half
package key

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileName is the name of the private key in the data folder.
const FileName = "iax2.key"

// Bits is the size of keys: Asterisk takes no other, and the signature of one of
// 1536 bits or more does not fit into an element of IAX2 (RFC 5456 8.6).
const Bits = 1024

const (
	pkcs1Private = "RSA PRIVATE KEY"
	pkcs1Public  = "RSA PUBLIC KEY"
	pkixPublic   = "PUBLIC KEY"
)

// Parse reads a public key in PEM: "BEGIN PUBLIC KEY" (PKIX, as Asterisk's
// astgenkey writes it) or "BEGIN RSA PUBLIC KEY" (PKCS #1). The error says what
// to do.
func Parse(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(`no PEM block: give the whole file that begins with "-----BEGIN PUBLIC KEY-----"`)
	}
	public, err := parse(block)
	if err != nil {
		return nil, err
	}
	if n := public.N.BitLen(); n != Bits {
		return nil, fmt.Errorf("a key of %d bits, and IAX2 takes %d alone: make one by openssl genrsa -traditional %d", n, Bits, Bits)
	}
	return public, nil
}

func parse(block *pem.Block) (*rsa.PublicKey, error) {
	switch block.Type {
	case pkcs1Public:
		public, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("damaged public key: %w", err)
		}
		return public, nil
	case pkixPublic:
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("damaged public key: %w", err)
		}
		public, ok := parsed.(*rsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("a key of type %T, and IAX2 takes RSA alone", parsed)
		}
		return public, nil
	}
	return nil, fmt.Errorf("%q is no public key; give the public half of the other side", block.Type)
}

// Format writes a public key for the other side, as Parse and Asterisk read it.
func Format(public *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("write a public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pkixPublic, Bytes: der}), nil
}

// Open reads this server's key pair from a file, which is made (with its folder)
// when missing. A file that others may read is refused.
func Open(path string) (*rsa.PrivateKey, error) {
	private, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("make the key file: %w", err)
		}
		return read(path)
	}
	return private, err
}

func read(path string) (*rsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s has mode %04o and may be read by others; run: chmod 600 %s", path, mode.Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pkcs1Private {
		return nil, fmt.Errorf("the key file %s is no private key in PEM; restore it, or remove it: another is made, which the other sides must be given", path)
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the key file %s is damaged; restore it, or remove it: another is made, which the other sides must be given: %w", path, err)
	}
	return private, nil
}

// create writes a new pair so that there is never half a file under its name, and
// never a second pair when two start at once.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	private, err := rsa.GenerateKey(rand.Reader, Bits)
	if err != nil {
		return fmt.Errorf("a pair of %d bits: %w", Bits, err)
	}
	f, err := os.CreateTemp(dir, FileName+".*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = pem.Encode(f, &pem.Block{Type: pkcs1Private, Bytes: x509.MarshalPKCS1PrivateKey(private)})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
