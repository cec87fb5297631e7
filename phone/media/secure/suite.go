package secure

import (
	"strings"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
)

// Suite is how packets are encrypted and authenticated.
type Suite uint8

// The suites. A tag of 32 bits is one of media alone: SRTCP has 80.
const (
	None Suite = iota
	AES128GCM
	AES128CM80
	AES256CM80
	AES256GCM
	AES128CM32
	AES256CM32
)

// suite is what is known of one.
type suite struct {
	name      string // in descriptions (RFC 4568 6.2, 6188 4, 7714 14.2)
	alias     string // as some phones write it
	profile   srtp.ProtectionProfile
	dtls      dtls.SRTPProtectionProfile // 0: has none
	key, salt int                        // bytes of the master key and salt
}

// suites gives all, in the order in which they are offered: the cheap one first
// (one pass over a packet instead of two), then the one that every phone has. Who
// answers takes the first that it knows.
func suites() [7]suite {
	return [...]suite{
		AES128GCM:  {"AEAD_AES_128_GCM", "", srtp.ProtectionProfileAeadAes128Gcm, dtls.SRTP_AEAD_AES_128_GCM, 16, 12},
		AES128CM80: {"AES_CM_128_HMAC_SHA1_80", "", srtp.ProtectionProfileAes128CmHmacSha1_80, dtls.SRTP_AES128_CM_HMAC_SHA1_80, 16, 14},
		AES256CM80: {"AES_256_CM_HMAC_SHA1_80", "AES_CM_256_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80, 0, 32, 14},
		AES256GCM:  {"AEAD_AES_256_GCM", "", srtp.ProtectionProfileAeadAes256Gcm, dtls.SRTP_AEAD_AES_256_GCM, 32, 12},
		AES128CM32: {"AES_CM_128_HMAC_SHA1_32", "", srtp.ProtectionProfileAes128CmHmacSha1_32, dtls.SRTP_AES128_CM_HMAC_SHA1_32, 16, 14},
		AES256CM32: {"AES_256_CM_HMAC_SHA1_32", "AES_CM_256_HMAC_SHA1_32", srtp.ProtectionProfileAes256CmHmacSha1_32, 0, 32, 14},
	}
}

// Suites gives the suites in the order in which they are offered.
func Suites() []Suite {
	return []Suite{AES128GCM, AES128CM80, AES256CM80, AES256GCM, AES128CM32, AES256CM32}
}

// String names the suite as descriptions do; "" for None.
func (s Suite) String() string {
	if int(s) >= len(suites()) {
		return ""
	}
	return suites()[s].name
}

// Named finds a suite by its name in a description, without case; None when it is
// not known.
func Named(name string) Suite {
	for _, s := range Suites() {
		known := suites()[s]
		if strings.EqualFold(name, known.name) || known.alias != "" && strings.EqualFold(name, known.alias) {
			return s
		}
	}
	return None
}

// KeyLen is the bytes of the suite's master key with its salt.
func (s Suite) KeyLen() int {
	known := suites()[s]
	return known.key + known.salt
}

// profiled finds the suite of a DTLS-SRTP profile.
func profiled(p dtls.SRTPProtectionProfile) Suite {
	for _, s := range Suites() {
		if p != 0 && suites()[s].dtls == p {
			return s
		}
	}
	return None
}

// profiles are what is offered in a handshake (RFC 5764 4.1.2).
func profiles() (out []dtls.SRTPProtectionProfile) {
	for _, s := range Suites() {
		if p := suites()[s].dtls; p != 0 {
			out = append(out, p)
		}
	}
	return out
}
