package document

import "encoding/xml"

// ReginfoType is the content type of a Reginfo.
const ReginfoType = "application/reginfo+xml"

// Reginfo is a registration information document (RFC 3680 5): always full state.
type Reginfo struct {
	XMLName       xml.Name       `xml:"urn:ietf:params:xml:ns:reginfo reginfo"`
	Version       uint32         `xml:"version,attr"`
	State         string         `xml:"state,attr"` // full
	Registrations []Registration `xml:"registration"`
}

// Registration is all that is registered for an address.
type Registration struct {
	AOR      string    `xml:"aor,attr"`
	ID       string    `xml:"id,attr"`
	State    string    `xml:"state,attr"` // active or terminated
	Contacts []Contact `xml:"contact"`
}

// Contact is one device.
type Contact struct {
	ID      string `xml:"id,attr"`
	State   string `xml:"state,attr"` // active
	Event   string `xml:"event,attr"` // registered
	Expires int    `xml:"expires,attr"`
	CallID  string `xml:"callid,attr,omitempty"`
	CSeq    uint32 `xml:"cseq,attr,omitempty"`
	URI     string `xml:"uri"`
}

// Bytes writes the document.
func (r Reginfo) Bytes() []byte {
	r.State = "full"
	return marshal(&r)
}
