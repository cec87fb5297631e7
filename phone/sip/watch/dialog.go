// Package watch has the event packages: what can be subscribed to, who may, and
// what is told.
//
//	presence.Calls, directory, mailboxes ─> Dialog, Summary, ... (subscription.Package) ─> document
//
// There are no goroutines. Members of this system may watch any extension's calls
// and presence; what waits in a mailbox and where devices are is for the extension
// itself.
package watch

import (
	"strings"
	"time"

	"tincan/phone/directory"
	"tincan/phone/presence"
	"tincan/phone/sip/document"
	"tincan/phone/sip/subscription"
)

// notFound refuses what is not there.
var notFound = subscription.Refusal{Code: 404, Reason: "Not Found"}

// others refuses what is only for the extension itself.
var others = subscription.Refusal{Code: 403, Reason: "Only for the extension itself"}

// Directory is where extensions are looked up.
type Directory interface{ Snapshot() *directory.Snapshot }

// Dialog is the package of RFC 4235: the calls of an extension, for lamps and for
// picking calls up.
type Dialog struct {
	Directory Directory
	Calls     *presence.Calls
}

var _ subscription.Package = Dialog{}

// DialogEvent names the package.
const DialogEvent = "dialog"

// Name is the word in Event.
func (Dialog) Name() string { return DialogEvent }

// Types are the content types.
func (Dialog) Types() []string { return []string{document.DialogInfoType} }

// Pace is shorter than the second that RFC 4235 3.10 advises: who is to pick a call
// up must see it ring. A call makes three or four changes.
func (Dialog) Pace() time.Duration { return 200 * time.Millisecond }

// Find lets members watch any extension.
func (d Dialog) Find(_, resource string) *subscription.Refusal {
	return exists(d.Directory, resource)
}

func exists(d Directory, number string) *subscription.Refusal {
	if _, ok := d.Snapshot().Extension(number); !ok {
		bad := notFound
		return &bad
	}
	return nil
}

// Document lists the dialogs. How a dialog is called on the wire is told while it
// rings, when somebody else may pick it up, and to the extension's own devices:
// with it a call could be ended, too.
func (d Dialog) Document(v subscription.View) []byte {
	doc := document.Dialogs{Version: v.Version, Entity: v.Entity}
	name := ""
	if e, ok := d.Directory.Snapshot().Extension(v.Resource); ok {
		name = e.Name
	}
	for _, x := range d.Calls.Dialogs(v.Resource) {
		out := document.Dialog{ID: x.ID, Direction: "recipient", State: word(x)}
		if x.Calling {
			out.Direction = "initiator"
		}
		if x.Step < presence.Answered && !x.Calling || v.Watcher == v.Resource {
			out.CallID, out.LocalTag, out.RemoteTag = x.CallID, x.TheirTag, x.OurTag
		}
		out.Local = side(v.Entity, v.Resource, name)
		out.Remote = side(v.Entity, x.Number, d.nameOf(x))
		if x.Held {
			out.Local.Target.Params = []document.Param{{Name: "+sip.rendering", Value: "no"}}
		}
		doc.Dialogs = append(doc.Dialogs, out)
	}
	return doc.Bytes()
}

func (d Dialog) nameOf(x presence.Dialog) string {
	if x.Name != "" {
		return x.Name
	}
	if e, ok := d.Directory.Snapshot().Extension(x.Number); ok {
		return e.Name
	}
	return ""
}

// word is the state in the words of RFC 4235 3.7.
func word(x presence.Dialog) string {
	return [...]string{presence.Trying: "trying", presence.Ringing: "early", presence.Answered: "confirmed", presence.Over: "terminated"}[x.Step]
}

// side is an end of a dialog: number at the domain of entity.
func side(entity, number, name string) *document.Side {
	uri := entity
	if scheme, rest, ok := strings.Cut(entity, ":"); ok {
		_, host, _ := strings.Cut(rest, "@")
		uri = scheme + ":" + escaped(number) + "@" + host
	}
	return &document.Side{Identity: document.Identity{Display: name, URI: uri}, Target: document.Target{URI: uri}}
}

// escaped makes a number fit for the user part of a URI (RFC 3261 25.1).
func escaped(number string) string {
	return strings.NewReplacer("%", "%25", "@", "%40", "<", "%3C", ">", "%3E", " ", "%20", "#", "%23", "\"", "%22").Replace(number)
}
