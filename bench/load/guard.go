package load

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pion/srtp/v3"
)

// Suite is a way to encrypt sound, as descriptions name it (RFC 4568, 7714).
type Suite struct {
	Name      string
	profile   srtp.ProtectionProfile
	key, salt int // bytes
}

// The suites that are measured: what every phone has, and the cheap one.
var (
	AESCM  = &Suite{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80, 16, 14}
	AESGCM = &Suite{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm, 16, 12}
)

// guard is one socket's end of SRTP; nil: in the clear. One goroutine sends and
// one receives.
type guard struct {
	key     []byte // of what is sent, with its salt
	out, in *srtp.Context
	suite   *Suite
	room    []byte
}

func newGuard(s *Suite) (*guard, error) {
	if s == nil {
		return nil, nil
	}
	g := &guard{key: make([]byte, s.key+s.salt), suite: s, room: make([]byte, 0, datagramBytes)}
	_, _ = rand.Read(g.key) // never fails (crypto/rand)
	var err error
	g.out, err = srtp.CreateContext(g.key[:s.key], g.key[s.key:], s.profile)
	return g, err
}

// datagramBytes holds a packet with its tag.
const datagramBytes = headerBytes + payloadBytes + 32

// line is the attribute of a description, with its number; "" in the clear.
func (g *guard) line(tag string) string {
	if g == nil {
		return ""
	}
	return fmt.Sprintf("a=crypto:%s %s inline:%s\r\n", tag, g.suite.Name, base64.StdEncoding.EncodeToString(g.key))
}

func (g *guard) profile() string {
	if g == nil {
		return "RTP/AVP"
	}
	return "RTP/SAVP"
}

// hear takes the other side's key out of its description, and tells under what
// number it was.
func (g *guard) hear(description []byte) (tag string, err error) {
	if g == nil {
		return "", nil
	}
	for line := range strings.Lines(string(description)) {
		words := strings.Fields(strings.TrimPrefix(line, "a=crypto:"))
		if len(words) != 3 || words[1] != g.suite.Name {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(words[2], "inline:"))
		if err != nil || len(key) != g.suite.key+g.suite.salt {
			return "", fmt.Errorf("key %q", words[2])
		}
		g.in, err = srtp.CreateContext(key[:g.suite.key], key[g.suite.key:], g.suite.profile)
		return words[0], err
	}
	return "", fmt.Errorf("no key for %s in the description %q", g.suite.Name, description)
}

// seal encrypts a packet to be sent.
func (g *guard) seal(b []byte) ([]byte, error) {
	if g == nil {
		return b, nil
	}
	return g.out.EncryptRTP(g.room, b, nil)
}

// open decrypts a packet that came.
func (g *guard) open(b []byte) ([]byte, error) {
	if g == nil {
		return b, nil
	}
	return g.in.DecryptRTP(b[:0], b, nil)
}
