package subscription

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"strings"
)

// rlmi is RFC 4662 5's description of a list: what follows it in the same body.
type rlmi struct {
	XMLName   xml.Name       `xml:"urn:ietf:params:xml:ns:rlmi list"`
	URI       string         `xml:"uri,attr"`
	Version   uint32         `xml:"version,attr"`
	FullState bool           `xml:"fullState,attr"`
	Resources []rlmiResource `xml:"resource"`
}

type rlmiResource struct {
	URI      string       `xml:"uri,attr"`
	Instance rlmiInstance `xml:"instance"`
}

type rlmiInstance struct {
	ID    string `xml:"id,attr"`
	State string `xml:"state,attr"`
	CID   string `xml:"cid,attr,omitempty"`
	// Reason is given with state terminated.
	Reason string `xml:"reason,attr,omitempty"`
}

const (
	rlmiType = "application/rlmi+xml"
	rootID   = "list@tincan"
)

// list makes the body of a list's NOTIFY (RFC 4662 5.1): all members first and
// after a refresh, then those that changed.
func list(d *draft) (contentType string, body []byte) {
	info := rlmi{URI: d.view.Entity, Version: d.view.Version, FullState: d.news == nil}
	type part struct {
		id   string
		body []byte
	}
	var parts []part
	for i, member := range d.members {
		if d.news != nil && !d.news[member] {
			continue
		}
		v := d.view
		v.Resource, v.Entity = member, sibling(d.view.Entity, member)
		r := rlmiResource{URI: v.Entity, Instance: rlmiInstance{ID: "1", State: "active"}}
		if d.pack.Find(d.Watcher, member) != nil {
			r.Instance.State, r.Instance.Reason = "terminated", noResource
			info.Resources = append(info.Resources, r)
			continue
		}
		if doc := d.pack.Document(v); doc != nil {
			r.Instance.CID = fmt.Sprintf("m%d@tincan", i)
			parts = append(parts, part{r.Instance.CID, doc})
		}
		info.Resources = append(info.Resources, r)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	text, err := xml.Marshal(&info)
	if err != nil {
		return "", nil // its types are ours: it cannot
	}
	write := func(id, kind string, body []byte) {
		p, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Type": {kind}, "Content-Id": {"<" + id + ">"}, "Content-Transfer-Encoding": {"binary"},
		})
		if err == nil { // a buffer takes all
			_, _ = p.Write(body)
		}
	}
	write(rootID, rlmiType+";charset=\"UTF-8\"", append([]byte(xml.Header), text...))
	for _, p := range parts {
		write(p.id, d.view.Type, p.body)
	}
	_ = w.Close()
	return fmt.Sprintf("multipart/related;type=%q;start=\"<%s>\";boundary=%q", rlmiType, rootID, w.Boundary()), b.Bytes()
}

// sibling is the URI of another user of the same domain.
func sibling(uri, user string) string {
	scheme, rest, ok := strings.Cut(uri, ":")
	_, host, at := strings.Cut(rest, "@")
	if !ok || !at {
		return "sip:" + user
	}
	return scheme + ":" + user + "@" + host
}
