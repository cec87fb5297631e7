// Package document has the formats that tell of state, bytes apart from sockets,
// one a file: dialog-info (RFC 4235), PIDF (RFC 3863) with RPID's activities (RFC
// 4480), message-summary (RFC 3842) and reginfo (RFC 3680).
//
//	state ─Dialogs.Bytes, Presence.Bytes ...─> body of a NOTIFY
//	body of a PUBLISH ─ParsePresence─> Presence
package document

import (
	"encoding/xml"
)

// marshal writes a document; its types are ours, so that it cannot fail.
func marshal(v any) []byte {
	b, err := xml.Marshal(v)
	if err != nil {
		return nil
	}
	return append([]byte(xml.Header), b...)
}

// DialogInfoType is the content type of Dialogs.
const DialogInfoType = "application/dialog-info+xml"

// Dialogs is a dialog-info document (RFC 4235 4): always the full state, which is
// a handful of dialogs.
type Dialogs struct {
	XMLName xml.Name `xml:"urn:ietf:params:xml:ns:dialog-info dialog-info"`
	Version uint32   `xml:"version,attr"`
	State   string   `xml:"state,attr"` // full
	Entity  string   `xml:"entity,attr"`
	Dialogs []Dialog `xml:"dialog"`
}

// Dialog is one of them. The tags are as the watched device sees them.
type Dialog struct {
	ID        string `xml:"id,attr"`
	CallID    string `xml:"call-id,attr,omitempty"`
	LocalTag  string `xml:"local-tag,attr,omitempty"`
	RemoteTag string `xml:"remote-tag,attr,omitempty"`
	Direction string `xml:"direction,attr,omitempty"` // initiator or recipient
	State     string `xml:"state"`                    // trying, early, confirmed or terminated
	Local     *Side  `xml:"local"`
	Remote    *Side  `xml:"remote"`
}

// Side is one end of a dialog.
type Side struct {
	Identity Identity `xml:"identity"`
	Target   Target   `xml:"target"`
}

// Identity is a URI and the name of who is there.
type Identity struct {
	Display string `xml:"display,attr,omitempty"`
	URI     string `xml:",chardata"`
}

// Target is the URI that a dialog leads to.
type Target struct {
	URI    string  `xml:"uri,attr"`
	Params []Param `xml:"param"`
}

// Param is a feature of a Target: +sip.rendering is "no" while on hold.
type Param struct {
	Name  string `xml:"pname,attr"`
	Value string `xml:"pval,attr"`
}

// Bytes writes the document.
func (d Dialogs) Bytes() []byte {
	d.State = "full"
	return marshal(&d)
}
