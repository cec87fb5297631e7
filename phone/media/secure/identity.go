package secure

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// Identity is the certificate that the server proves itself with in handshakes. Nobody
// signs it: its fingerprint goes with the signalling.
type Identity struct {
	certificate tls.Certificate
	print       Fingerprint
}

// Validity of the certificate: nobody looks at it, since the fingerprint says all
// (RFC 8122 4), and it must be the same in each process.
const (
	firstYear = 2020
	lastYear  = 2120
)

// NewIdentity makes an identity of a secret seed, always the same of the same, so
// that it outlives the process; nil: a new one.
func NewIdentity(seed []byte) (*Identity, error) {
	if seed == nil {
		seed = make([]byte, sha256.Size)
		_, _ = rand.Read(seed) // never fails (crypto/rand)
	}
	key, err := keyOf(seed)
	if err != nil {
		return nil, fmt.Errorf("secure: make a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "media"},
		NotBefore: time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(lastYear, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key) // signed without chance (RFC 6979)
	if err != nil {
		return nil, fmt.Errorf("secure: make a certificate: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: crypto.PrivateKey(key)},
		print:       Fingerprint{Hash: "sha-256", Digest: sum("sha-256", der)},
	}, nil
}

// keyOf makes a key on P-256, which every browser takes. Nearly every hash is one;
// if one is not, the hash of it is tried.
func keyOf(seed []byte) (*ecdsa.PrivateKey, error) {
	var err error
	for range 8 {
		h := sha256.Sum256(seed)
		seed = h[:]
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), seed); err == nil {
			return key, nil
		}
	}
	return nil, err
}

// Fingerprint is what descriptions say of it.
func (i *Identity) Fingerprint() Fingerprint { return i.print }
