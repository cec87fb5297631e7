package watch

import (
	"slices"
	"time"

	"tincan/phone/presence"
	"tincan/phone/sip/document"
	"tincan/phone/sip/subscription"
)

// Presence is the package of RFC 3856: whether a member can be reached.
type Presence struct {
	Directory Directory
	Bindings  Bindings
	Calls     *presence.Calls
	Published *presence.Publications
}

var _ subscription.Package = Presence{}

// PresenceEvent names the package.
const PresenceEvent = "presence"

// Name is the word in Event.
func (Presence) Name() string { return PresenceEvent }

// Types are the content types.
func (Presence) Types() []string { return []string{document.PresenceType} }

// Pace is RFC 3856 6.10's.
func (Presence) Pace() time.Duration { return 5 * time.Second }

// Find lets members watch any extension.
func (p Presence) Find(_, resource string) *subscription.Refusal {
	return exists(p.Directory, resource)
}

// Document puts together what devices say and what we see. What a device says of
// its member is passed on; where none says anything, a registered device is open.
// Who speaks is on the phone, whatever devices say.
func (p Presence) Document(v subscription.View) []byte {
	doc := document.Presence{Entity: v.Entity}
	seen := map[string]bool{}
	for _, s := range p.Published.Of(v.Resource) {
		for _, t := range s.Tuples {
			if !seen[t.ID] {
				seen[t.ID] = true
				doc.Tuples = append(doc.Tuples, t)
			}
		}
		for _, a := range s.Activities {
			doc.Activities = with(doc.Activities, a)
		}
		doc.Notes = append(doc.Notes, s.Notes...)
	}
	if len(doc.Tuples) == 0 {
		doc.Tuples = []presence.Tuple{{ID: "tincan", Open: p.registered(v.Resource), Contact: v.Entity}}
	}
	for _, d := range p.Calls.Dialogs(v.Resource) {
		if d.Step == presence.Answered || d.Calling && d.Step < presence.Answered {
			doc.Activities = with(doc.Activities, "on-the-phone")
		}
	}
	return doc.Bytes()
}

func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (p Presence) registered(extension string) bool {
	now := time.Now()
	return slices.ContainsFunc(p.Bindings.For(extension), expiresAfter(now))
}
