package watch

import (
	"fmt"
	"hash/fnv"
	"time"

	"tincan/phone/directory"
	"tincan/phone/sip/document"
	"tincan/phone/sip/subscription"
)

// Bindings is where registered devices are looked up.
type Bindings interface {
	For(extension string) []directory.Binding
}

// Registration is the package of RFC 3680: the devices of an extension.
type Registration struct {
	Directory Directory
	Bindings  Bindings
}

var _ subscription.Package = Registration{}

// RegistrationEvent names the package.
const RegistrationEvent = "reg"

// Name is the word in Event.
func (Registration) Name() string { return RegistrationEvent }

// Types are the content types.
func (Registration) Types() []string { return []string{document.ReginfoType} }

// Pace is RFC 3680 4.10's.
func (Registration) Pace() time.Duration { return 5 * time.Second }

// Find lets an extension watch its own devices: their addresses are nobody else's
// business.
func (r Registration) Find(watcher, resource string) *subscription.Refusal {
	if bad := exists(r.Directory, resource); bad != nil {
		return bad
	}
	return own(watcher, resource)
}

// Document lists the devices.
func (r Registration) Document(v subscription.View) []byte {
	reg := document.Registration{AOR: v.Entity, ID: v.Resource, State: "terminated"}
	now := time.Now()
	for _, b := range r.Bindings.For(v.Resource) {
		if !b.Expires.After(now) || b.IAX2() { // what has no SIP Contact is no business of RFC 3680
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(b.Key())) // it takes all
		reg.State = "active"
		reg.Contacts = append(reg.Contacts, document.Contact{
			ID: fmt.Sprintf("%016x", h.Sum64()), State: "active", Event: "registered",
			Expires: int(b.Expires.Sub(now) / time.Second), CallID: b.CallID, CSeq: b.CSeq, URI: b.Shown(),
		})
	}
	return document.Reginfo{Version: v.Version, Registrations: []document.Registration{reg}}.Bytes()
}
