package digest

import (
	"crypto/md5" // what most carriers speak
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// hashes are the algorithms that are answered, the strongest first (RFC 8760
// 2.3 and 2.4). The -sess ones are not: no SIP server is known that has them
// alone.
var hashes = []struct {
	name string
	new  func() hash.Hash
}{
	{"SHA-512-256", sha512.New512_256},
	{"SHA-256", sha256.New},
	{"MD5", md5.New},
}

// ErrUnsupported is a challenge of which we know no algorithm or quality.
var ErrUnsupported = errors.New("the other side asks for a kind of password check that is not known here")

// strength is the place in hashes, -1 if the challenge cannot be answered.
func (c Challenge) strength() int {
	if len(c.QOP) > 0 && !slices.Contains(c.QOP, "auth") { // auth-int alone
		return -1
	}
	name := c.Algorithm
	if name == "" {
		name = "MD5"
	}
	for i, h := range hashes {
		if strings.EqualFold(h.name, name) {
			return i
		}
	}
	return -1
}

// request is what credentials are for.
type request struct {
	method, uri string
	count       uint32 // of the nonce, from 1
	cnonce      string
}

// credentials computes the answer to a challenge (RFC 7616 3.4), as the value
// of Authorization or Proxy-Authorization.
func (c Challenge) credentials(user, password string, r request) string {
	sum := func(parts ...string) string {
		h := hashes[c.strength()].new()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	ha1, ha2 := sum(user, c.Realm, password), sum(r.method, r.uri)
	count := fmt.Sprintf("%08x", r.count)
	response := sum(ha1, c.Nonce, ha2)
	if len(c.QOP) > 0 {
		response = sum(ha1, c.Nonce, count, r.cnonce, "auth", ha2)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"`, user, c.Realm, c.Nonce, r.uri, response)
	if c.Algorithm != "" {
		b.WriteString(", algorithm=" + c.Algorithm)
	}
	if len(c.QOP) > 0 {
		fmt.Fprintf(&b, `, cnonce="%s", qop=auth, nc=%s`, r.cnonce, count)
	}
	if c.Opaque != "" {
		fmt.Fprintf(&b, `, opaque="%s"`, c.Opaque)
	}
	return b.String()
}
