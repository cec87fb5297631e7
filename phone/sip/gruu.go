package sip

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/transport"
)

// Addresses of one device of an extension (RFC 5627).
//
//	public     sip:101@tincan.example;gr=urn:uuid:...   says who it is
//	temporary  sip:SEALED@tincan.example;gr             says nothing to others
//
// Without a domain they have the address and port that the phone registered at.
// A temporary one holds the extension and the device, sealed with a key that
// outlives the process, so that nothing is kept for it.

// lower is base 32 as the user part of a URI has it.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// gruus makes both addresses of a device; "" without an instance.
func (s *Server) gruus(b *directory.Binding, p transport.Path) (public, temporary string) {
	instance := bare(b.Instance)
	if instance == "" || strings.ContainsAny(instance, "\";<>? ") {
		return "", ""
	}
	public = s.ours(escape(b.Extension), p) + ";gr=" + instance
	box, err := s.sealed()
	if err != nil {
		return public, ""
	}
	nonce := make([]byte, box.NonceSize())
	_, _ = rand.Read(nonce)
	text := box.Seal(nonce, nonce, []byte(b.Extension+"\x00"+instance), nil)
	return public, s.ours(lower.EncodeToString(text), p) + ";gr"
}

// ours makes a URI by which others than the phone reach us.
func (s *Server) ours(user string, p transport.Path) string {
	if d := s.settings.Load().Domain; d != "" {
		return "sip:" + user + "@" + d
	}
	u := s.contact(p, user).Address
	return u.String()
}

// device reads which device of which extension an address of either kind means.
func (s *Server) device(u *wire.Uri) (extension, instance string, ok bool) {
	gr, has := u.UriParams.Get("gr")
	if !has {
		return "", "", false
	}
	if gr != "" {
		return userOf(u), gr, true
	}
	text, err := lower.DecodeString(strings.ToLower(u.User))
	box, broken := s.sealed()
	if err != nil || broken != nil || len(text) < box.NonceSize() {
		return "", "", false
	}
	plain, err := box.Open(nil, text[:box.NonceSize()], text[box.NonceSize():], nil)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(plain), "\x00")
}

func (s *Server) sealed() (cipher.AEAD, error) {
	m := hmac.New(sha256.New, s.cfg.Decoy)
	m.Write([]byte("temporary GRUU"))
	block, err := aes.NewCipher(m.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// newRequest makes a request within the dialog. A phone may have named itself by the
// address that it was given: then it is asked by the Contact that this stands for now,
// as a proxy of its domain would (RFC 5627 5.3), lest a proxy on the way brings the
// request back to us.
func (l *leg) newRequest(method wire.RequestMethod, seq uint32) *wire.Request {
	contact, ok := l.s.contactOf(&l.target, l.party)
	if !ok {
		return l.dialog.newRequest(method, seq)
	}
	given := l.target
	l.target = contact
	defer func() { l.target = given }()
	return l.dialog.newRequest(method, seq)
}

// contactOf finds the Contact behind an address of one of a party's own devices.
func (s *Server) contactOf(u *wire.Uri, party string) (contact wire.Uri, ok bool) {
	extension, instance, ok := s.device(u)
	if !ok || party != "extension:"+extension {
		return contact, false
	}
	for _, device := range flows(s.cfg.Bindings.SIP(extension), time.Now(), instance, s.doubtful) {
		if wire.ParseUri(device[0].Contact, &contact) == nil {
			return contact, true
		}
	}
	return contact, false
}
