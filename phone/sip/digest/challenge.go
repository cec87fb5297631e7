// Package digest answers the challenges of other systems (RFC 3261 22, RFC 7616,
// RFC 8760): the client's side, for trunks.
//
//	401, 407 ─> Parse ─> Try.Answer ─> Authorization, Proxy-Authorization
//	                        │  keeps the nonce and its count
//	next request ─> Try.Before ─────┘  (nobody asks again while the nonce is good)
//
// A Client belongs to one trunk and is used from any goroutine; a Try belongs to
// one request and to whoever sends it. There are no goroutines.
package digest

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of a challenge: what a peer makes us keep and send back.
const (
	maxChallenge = 4096 // bytes of one header value
	maxParams    = 32   // parameters in it; RFC 7616 knows nine
)

// Challenge is one WWW-Authenticate or Proxy-Authenticate value. Quoted texts
// are as they stood between their quotes, escapes and all, so that they go back
// as they came.
type Challenge struct {
	Realm, Nonce, Opaque string
	Algorithm            string // as it was written; empty: MD5
	QOP                  []string
	Stale                bool
}

// errNotDigest is another scheme, such as Basic or AKA's.
var errNotDigest = errors.New("not a digest challenge")

// Parse reads a header value. It takes what servers get wrong: any case of
// names, tokens where quotes belong and the other way round, empty parameters.
func Parse(value string) (Challenge, error) {
	var c Challenge
	scheme, rest, _ := strings.Cut(strings.TrimLeft(value, " \t"), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return c, errNotDigest
	}
	if len(value) > maxChallenge {
		return c, fmt.Errorf("challenge of %d bytes, more than %d", len(value), maxChallenge)
	}
	for n := 0; ; n++ {
		rest = strings.TrimLeft(rest, " \t\r\n,")
		if rest == "" {
			break
		}
		if n == maxParams {
			return c, fmt.Errorf("challenge with more than %d parameters", maxParams)
		}
		name, text, more, err := param(rest)
		if err != nil {
			return c, err
		}
		if name == "qop" && strings.Contains(text, `\`) {
			return c, errors.New("escape among a challenge's qop-options, which are tokens")
		}
		c.set(name, text)
		rest = more
	}
	if c.Nonce == "" || c.Realm == "" {
		return c, errors.New("challenge without realm or nonce")
	}
	return c, nil
}

// param cuts name=value or name="value" off the front.
func param(s string) (name, text, rest string, err error) {
	name, rest, ok := strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimRight(name, " \t\r\n"))
	if !ok || name == "" || strings.ContainsAny(name, "\", \t\r\n") {
		return "", "", "", errors.New("challenge's parameter without a value")
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	if !strings.HasPrefix(rest, `"`) {
		end := strings.IndexAny(rest, ", \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		if strings.ContainsAny(rest[:end], "\"\\") { // would break the quotes it goes back in
			return "", "", "", errors.New("quote in a challenge's token")
		}
		return name, rest[:end], rest[end:], nil
	}
	escaped := false
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\r' || rest[i] == '\n': // escaped or not (RFC 3261 25.1)
			return "", "", "", errors.New("line end in a challenge's quotes")
		case escaped:
			escaped = false
		case rest[i] == '\\':
			escaped = true
		case rest[i] == '"':
			return name, rest[1:i], rest[i+1:], nil
		}
	}
	return "", "", "", errors.New("challenge's quotes are not closed")
}

func (c *Challenge) set(name, text string) {
	switch name {
	case "realm":
		c.Realm = text
	case "nonce":
		c.Nonce = text
	case "opaque":
		c.Opaque = text
	case "algorithm":
		c.Algorithm = text
	case "stale":
		c.Stale = strings.EqualFold(text, "true")
	case "qop":
		c.QOP = nil
		for q := range strings.SplitSeq(strings.ToLower(text), ",") {
			if q = strings.Trim(q, " \t"); q != "" {
				c.QOP = append(c.QOP, q)
			}
		}
	}
}

// String writes the challenge as a server would.
func (c Challenge) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `Digest realm="%s", nonce="%s"`, c.Realm, c.Nonce)
	if c.Opaque != "" {
		fmt.Fprintf(&b, `, opaque="%s"`, c.Opaque)
	}
	if c.Algorithm != "" {
		fmt.Fprintf(&b, `, algorithm="%s"`, c.Algorithm)
	}
	if len(c.QOP) > 0 {
		fmt.Fprintf(&b, `, qop="%s"`, strings.Join(c.QOP, ","))
	}
	if c.Stale {
		b.WriteString(", stale=true")
	}
	return b.String()
}
