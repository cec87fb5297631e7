package watch

import (
	"time"

	"tincan/phone/sip/document"
	"tincan/phone/sip/subscription"
)

// Mailboxes says what waits for an extension.
type Mailboxes interface {
	// Waiting counts the messages that are new and those that were heard.
	Waiting(extension string) (fresh, heard int)
}

// Summary is the package of RFC 3842: the lamp of the mailbox. Mailboxes may be
// nil: then nothing waits.
type Summary struct {
	Directory Directory
	Mailboxes Mailboxes
}

var _ subscription.Package = Summary{}

// SummaryEvent names the package.
const SummaryEvent = "message-summary"

// Name is the word in Event.
func (Summary) Name() string { return SummaryEvent }

// Types are the content types.
func (Summary) Types() []string { return []string{document.SummaryType} }

// Pace is RFC 3842 3.11's.
func (Summary) Pace() time.Duration { return time.Second }

// Find lets an extension watch its own mailbox.
func (s Summary) Find(watcher, resource string) *subscription.Refusal {
	if bad := exists(s.Directory, resource); bad != nil {
		return bad
	}
	return own(watcher, resource)
}

func own(watcher, resource string) *subscription.Refusal {
	if watcher != resource {
		bad := others
		return &bad
	}
	return nil
}

// Document counts what waits.
func (s Summary) Document(v subscription.View) []byte {
	var doc document.Summary
	if s.Mailboxes != nil {
		doc.New, doc.Old = s.Mailboxes.Waiting(v.Resource)
	}
	return doc.Bytes()
}
