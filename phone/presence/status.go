package presence

// Bounds of what a device can publish.
const (
	MaxTuples     = 10
	MaxNotes      = 8
	MaxActivities = 8
	MaxNote       = 280 // bytes of a note
	MaxURI        = 512 // bytes of a contact
)

// Status is what a device says of its member (RFC 3863, RFC 4480).
type Status struct {
	Tuples     []Tuple  `json:"tuples,omitempty"`
	Activities []string `json:"activities,omitempty"` // of RFC 4480 3.2: "away", "busy", "on-the-phone"
	Notes      []Note   `json:"notes,omitempty"`
}

// Tuple is one way to reach the member.
type Tuple struct {
	ID      string `json:"id"`
	Open    bool   `json:"open"`
	Contact string `json:"contact,omitempty"`
	Notes   []Note `json:"notes,omitempty"`
}

// Note is a text for people.
type Note struct {
	Lang string `json:"lang,omitempty"` // of xml:lang
	Text string `json:"text"`
}
