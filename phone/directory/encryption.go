package directory

import "strings"

// Whether a party's media are encrypted (SRTP).
const (
	// EncryptionAuto takes what the party offers, and offers it where its signalling
	// is encrypted too, so that nobody reads the keys.
	EncryptionAuto     = "auto"
	EncryptionOff      = "off"      // never
	EncryptionWanted   = "wanted"   // offered always; a call without it goes on, and says so
	EncryptionRequired = "required" // a call without it is refused
)

// Encryptions are the words that say whether media are encrypted.
func Encryptions() []string {
	return []string{EncryptionAuto, EncryptionOff, EncryptionWanted, EncryptionRequired}
}

// Encryption tells whether the media of a party, extension:NUMBER or trunk:NAME,
// are encrypted; "" for one that says nothing of it.
func (s *Snapshot) Encryption(party string) string {
	kind, name, _ := strings.Cut(party, ":")
	if e := s.extensions[name]; e != nil && kind == (Extensions{}).Kind() {
		return e.Encryption
	}
	if t := s.trunks[name]; t != nil && kind == (Trunks{}).Kind() {
		return t.Encryption
	}
	return ""
}
