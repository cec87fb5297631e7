package digest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
)

// ErrRejected is a challenge again after its password was given: it is wrong.
var ErrRejected = errors.New("the other side does not take this username and password")

// maxKept bounds the realms whose challenge a Client keeps: a carrier has one,
// and its proxies perhaps some more.
const maxKept = 8

// Client holds a trunk's username and password, and the challenges that it
// answered. Safe for any goroutine.
type Client struct {
	user, password string

	mu   sync.Mutex // guards kept
	kept map[space]*kept
}

// space is RFC 7616's protection space as SIP has it: who asked, a server or a
// proxy, and in what realm.
type space struct {
	proxy bool
	realm string
}

type kept struct {
	challenge Challenge
	count     uint32
}

// New makes a Client. Neither text may hold a quote, a backslash or a line end.
func New(user, password string) *Client {
	return &Client{user: user, password: password, kept: map[space]*kept{}}
}

// String is the username: the password must not reach a log by accident.
func (c *Client) String() string { return c.user }

// LogValue is for slog what String is for fmt.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.user) }

// Header is one header of a request.
type Header struct{ Name, Value string }

// Try is one request on its way, however often it must be sent. It is not safe
// for several goroutines at once.
type Try struct {
	c     *Client
	fresh map[space]string // nonce of the challenge that was answered for this request
	old   map[space]string // nonce that was used before anybody asked
}

// Try begins a request.
func (c *Client) Try() *Try {
	return &Try{c: c, fresh: map[space]string{}, old: map[space]string{}}
}

// Before gives credentials for who has asked for them before, so that they need
// not ask again (RFC 7616 3.6).
func (t *Try) Before(method, uri string) (headers []Header) {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	for s, k := range t.c.kept {
		if len(k.challenge.QOP) == 0 {
			continue // without a count a nonce may serve once
		}
		t.old[s] = k.challenge.Nonce
		headers = append(headers, t.c.header(s, k, method, uri))
	}
	return headers
}

// Answer gives the credentials for a request that was refused with challenges:
// www are the values of its WWW-Authenticate headers, proxy of its
// Proxy-Authenticate headers. ErrRejected: they were given already, and are
// wrong. ErrUnsupported: none of them can be answered.
func (t *Try) Answer(method, uri string, www, proxy []string) ([]Header, error) {
	best := map[space]Challenge{}
	choose(best, www, false)
	choose(best, proxy, true)
	if len(best) == 0 {
		return nil, ErrUnsupported
	}
	for s, c := range best {
		if nonce, given := t.fresh[s]; given && (!c.Stale || nonce == c.Nonce) || t.old[s] == c.Nonce {
			t.c.forget(s)
			return nil, ErrRejected
		}
		t.fresh[s] = c.Nonce
		t.c.keep(s, c)
	}
	return t.again(method, uri), nil
}

// again gives credentials for all who asked for this request: several proxies
// may have, one after the other (RFC 3261 22.3).
func (t *Try) again(method, uri string) (headers []Header) {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	for s := range t.c.kept {
		if _, asked := t.fresh[s]; asked {
			headers = append(headers, t.c.header(s, t.c.kept[s], method, uri))
		}
	}
	return headers
}

// choose takes of each realm the strongest challenge (RFC 8760 2.4).
func choose(best map[space]Challenge, values []string, proxy bool) {
	for i, v := range values {
		if i == maxKept {
			return
		}
		c, err := Parse(v)
		if err != nil || c.strength() < 0 {
			continue
		}
		s := space{proxy, c.Realm}
		if b, ok := best[s]; !ok || c.strength() < b.strength() {
			best[s] = c
		}
	}
}

func (c *Client) keep(s space, challenge Challenge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.kept[s]; k != nil && k.challenge.Nonce == challenge.Nonce {
		return // its count goes on
	}
	if len(c.kept) >= maxKept {
		clear(c.kept)
	}
	c.kept[s] = &kept{challenge: challenge}
}

func (c *Client) forget(s space) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, s)
}

// header counts the nonce up and computes. Called with mu held.
func (c *Client) header(s space, k *kept, method, uri string) Header {
	k.count++
	h := Header{Name: "Authorization"}
	if s.proxy {
		h.Name = "Proxy-Authorization"
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	uri = strings.NewReplacer(`"`, "%22", `\`, "%5C").Replace(uri)
	h.Value = k.challenge.credentials(c.user, c.password, request{method, uri, k.count, hex.EncodeToString(b[:])})
	return h
}
