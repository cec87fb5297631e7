package document

import "fmt"

// SummaryType is the content type of a Summary.
const SummaryType = "application/simple-message-summary"

// Summary is how many messages wait in a mailbox (RFC 3842 5.2).
type Summary struct {
	Account              string // URI to call for them; may be empty
	New, Old             int
	NewUrgent, OldUrgent int
}

// Bytes writes the document.
func (s Summary) Bytes() []byte {
	waiting := "no"
	if s.New > 0 {
		waiting = "yes"
	}
	text := "Messages-Waiting: " + waiting + "\r\n"
	if s.Account != "" {
		text += "Message-Account: " + s.Account + "\r\n"
	}
	return fmt.Appendf([]byte(text), "Voice-Message: %d/%d (%d/%d)\r\n", s.New, s.Old, s.NewUrgent, s.OldUrgent)
}
