package sip

import (
	"crypto/hmac"
	"crypto/md5" // RFC 3261 digest: what most phones speak
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"tincan/phone/directory"
	"tincan/phone/sip/transport"
)

// Bounds of digest authentication.
const (
	nonceTime   = 5 * time.Minute // after which a nonce is stale
	nonceWindow = 64              // how far behind the highest nc another may come
	maxNonces   = 200_000         // nonces in use at once; beyond it the oldest half is forgotten (stale)
)

// nonces makes and checks nonces. A nonce says when it was made and is signed,
// so that handing one out to a stranger costs no memory; only one that came
// back with a right digest is kept, for its window of nonce counts.
type nonces struct {
	key [32]byte

	mu   sync.Mutex // guards used
	used map[string]*window
}

// window remembers which of the latest 64 nonce counts were used.
type window struct {
	highest uint32
	seen    uint64 // bit i: highest-i was used
	made    time.Time
}

func newNonces() *nonces {
	n := &nonces{used: map[string]*window{}}
	_, _ = rand.Read(n.key[:])
	return n
}

const nonceBytes = 8 + 8 + 12 // time, salt, signature

func (n *nonces) make(now time.Time) string {
	var b [nonceBytes]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli()))
	_, _ = rand.Read(b[8:16])
	copy(b[16:], n.sign(b[:16]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (n *nonces) sign(b []byte) []byte {
	m := hmac.New(sha256.New, n.key[:])
	m.Write(b)
	return m.Sum(nil)[:nonceBytes-16]
}

// fresh reports whether a nonce is ours and young.
func (n *nonces) fresh(nonce string, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceBytes || !hmac.Equal(n.sign(b[:16]), b[16:]) {
		return false
	}
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(b))))
	return age >= -time.Second && age < nonceTime
}

// use marks a nonce count. It reports false for a replay, or for one so far
// behind that a replay could not be told.
func (n *nonces) use(nonce string, count uint32, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.used[nonce]
	if w == nil {
		n.room(now)
		n.used[nonce] = &window{highest: count, seen: 1, made: now}
		return true
	}
	return w.use(count)
}

func (w *window) use(count uint32) bool {
	if count > w.highest {
		w.seen = w.seen<<(count-w.highest) | 1 // a shift of 64 or more clears all
		w.highest = count
		return true
	}
	behind := w.highest - count
	if behind >= nonceWindow || w.seen>>behind&1 == 1 {
		return false
	}
	w.seen |= 1 << behind
	return true
}

// room forgets nonces that are stale anyway. Called with mu held.
func (n *nonces) room(now time.Time) {
	if len(n.used) < maxNonces {
		return
	}
	for k, w := range n.used {
		if now.Sub(w.made) > nonceTime {
			delete(n.used, k)
		}
	}
	for k := range n.used {
		if len(n.used) <= maxNonces/2 {
			return
		}
		delete(n.used, k)
	}
}

// sweep forgets stale nonces; called now and then.
func (n *nonces) sweep(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, w := range n.used {
		if now.Sub(w.made) > nonceTime+time.Minute {
			delete(n.used, k)
		}
	}
}

// verdict is what became of an Authorization header.
type verdict uint8

const (
	noCredentials verdict = iota
	wrongCredentials
	staleNonce
	rightCredentials
)

// authenticate checks the request's credentials for our realm (RFC 3261 22,
// RFC 8760) and tells the gate. An unknown user costs the same work as a known one.
func (s *Server) authenticate(req *wire.Request, p transport.Path, now time.Time) (*directory.Account, verdict) {
	who, v := s.verify(req, now)
	switch v {
	case rightCredentials:
		s.report(p, transport.Proved)
	case wrongCredentials:
		s.report(p, transport.WrongSecret)
	}
	return who, v
}

func (s *Server) verify(req *wire.Request, now time.Time) (*directory.Account, verdict) {
	cred := s.credentials(req)
	if cred == nil {
		return nil, noCredentials
	}
	who, known := s.cfg.Directory.Snapshot().Account(cred.Username)
	ha1 := s.decoy
	switch {
	case known && strings.EqualFold(cred.Algorithm, "SHA-256"):
		ha1 = who.HA1SHA256
	case known:
		ha1 = who.HA1MD5
	}
	right := false
	for _, nc := range []string{"%08x", "%08X"} { // the grammar says LHEX (RFC 7616 3.4), some phones write capitals
		want := expected(cred, ha1, string(req.Method), fmt.Sprintf(nc, cred.Nc))
		right = subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(cred.Response))) == 1
		if right {
			break
		}
	}
	switch {
	case !right || !known || !sameTarget(cred.URI, req):
		return nil, wrongCredentials
	case !s.nonces.fresh(cred.Nonce, now):
		return who, staleNonce
	case cred.QOP == "" && !s.nonces.use(cred.Nonce, 1, now):
		return who, staleNonce // without a count a nonce serves once
	case cred.QOP != "" && !s.nonces.use(cred.Nonce, uint32(cred.Nc), now):
		return who, staleNonce
	}
	return who, rightCredentials
}

// maxCredentials bounds the Authorization headers of one request that are read.
const maxCredentials = 4

func (s *Server) credentials(req *wire.Request) *digest.Credentials {
	n := 0
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for h := range named(req, name) {
			if n++; n > maxCredentials {
				return nil
			}
			c, err := digest.ParseCredentials(h.Value())
			if err == nil && c.Realm == s.cfg.Realm {
				return c
			}
		}
	}
	return nil
}

// expected computes the response that the right secret would give (RFC 7616
// 3.4.1). qop is none or auth.
func expected(c *digest.Credentials, ha1, method, nc string) string {
	sum := func(parts string) string {
		if strings.EqualFold(c.Algorithm, "SHA-256") {
			h := sha256.Sum256([]byte(parts))
			return hex.EncodeToString(h[:])
		}
		h := md5.Sum([]byte(parts))
		return hex.EncodeToString(h[:])
	}
	ha2 := sum(method + ":" + c.URI)
	if c.QOP == "" {
		return sum(ha1 + ":" + c.Nonce + ":" + ha2)
	}
	return sum(strings.Join([]string{ha1, c.Nonce, nc, c.Cnonce, c.QOP, ha2}, ":"))
}

// sameTarget compares the digest's URI with the request's by user alone: phones
// and proxies disagree about ports and parameters, and the user is what a
// replay to another number would change.
func sameTarget(uri string, req *wire.Request) bool {
	var u wire.Uri
	if err := wire.ParseUri(uri, &u); err != nil {
		return false
	}
	return u.User == req.Recipient.User
}

// prefersSHA256 tells whether a user is offered SHA-256. Of users that are not,
// as many as of those that are, always the same ones: or else the offer would tell
// which numbers exist. Both cost the same work.
func (s *Server) prefersSHA256(user string) bool {
	m := hmac.New(sha256.New, s.cfg.Decoy)
	m.Write([]byte(user))
	lot := binary.BigEndian.Uint32(m.Sum(nil))
	snap := s.cfg.Directory.Snapshot()
	who, known := snap.Account(user)
	n, of := snap.SHA256()
	if known {
		return who.Digest == "sha256"
	}
	return uint64(lot)*uint64(of) < uint64(n)<<32
}

// challenge refuses a request until it proves who sent it. Strangers leave no
// state behind. An extension set to sha256 is offered that first; the others
// MD5 alone, since phones of before RFC 8760 (baresip 1.0 among them) give up
// when they see an algorithm that they do not know, wherever it stands.
func (s *Server) challenge(tx responder, req *wire.Request, stale bool, now time.Time) {
	res := s.reply(req, wire.StatusUnauthorized, "Unauthorized")
	offered := []string{"MD5"}
	user := req.From().Address.User
	if c := s.credentials(req); c != nil {
		user = c.Username
	}
	if s.prefersSHA256(user) {
		offered = []string{"SHA-256", "MD5"}
	}
	nonce := s.nonces.make(now)
	for _, alg := range offered {
		v := fmt.Sprintf("Digest realm=%q, nonce=%q, algorithm=%s, qop=\"auth\"", s.cfg.Realm, nonce, alg)
		if stale {
			v += ", stale=true"
		}
		res.AppendHeader(wire.NewHeader("WWW-Authenticate", v))
	}
	tx.RespondOnce(res)
}
