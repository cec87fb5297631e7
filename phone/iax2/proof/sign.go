package proof

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
)

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
