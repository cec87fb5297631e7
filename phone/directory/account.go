package directory

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
)

// Account is who proves itself here by digest: an extension, or a trunk that is
// set to accept. Exactly one of Extension and Trunk is not nil. It is shared by
// all readers of a Snapshot: do not change it.
type Account struct {
	User      string // of the digest: the extension's number, the trunk's username
	Key       string // under which its bindings are: the number, or trunk:NAME
	Digest    string // "md5" or "sha256": which is offered first
	Extension *Extension
	Trunk     *Trunk
	// HA1MD5 and HA1SHA256 are H(user:realm:secret) in hex (RFC 7616 3.4.2).
	HA1MD5, HA1SHA256 string
}

// hashes computes HA1 by both algorithms.
func hashes(user, realm, secret string) (md, sha string) {
	text := []byte(user + ":" + realm + ":" + secret)
	m, s := md5.Sum(text), sha256.Sum256(text)
	return hex.EncodeToString(m[:]), hex.EncodeToString(s[:])
}

// account makes the account of a trunk that proves itself here; nil for others.
func (t *Trunk) account(realm string) *Account {
	if t.Accept == "" {
		return nil
	}
	a := &Account{User: t.Username, Key: t.Ref(), Digest: "md5", Trunk: t}
	a.HA1MD5, a.HA1SHA256 = hashes(a.User, realm, t.password)
	return a
}

func (e *Extension) account() *Account {
	return &Account{
		User: e.Number, Key: e.Number, Digest: e.Digest, Extension: e,
		HA1MD5: e.HA1MD5, HA1SHA256: e.HA1SHA256,
	}
}
