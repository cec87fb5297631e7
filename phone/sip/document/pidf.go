package document

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tincan/phone/presence"
)

// PresenceType is the content type of a Presence.
const PresenceType = "application/pidf+xml"

// MaxPresence bounds a document that is read, in bytes: phones' have 1 kB.
const MaxPresence = 16 << 10

// Presence is a PIDF document (RFC 3863) with activities (RFC 4480). What else a
// phone writes into it is not passed on.
type Presence struct {
	Entity string
	presence.Status
}

// activities are those of RFC 4480 3.2.
var activities = []string{
	"appointment", "away", "breakfast", "busy", "dinner", "holiday", "in-transit", "looking-for-work", "lunch", "meal",
	"meeting", "on-the-phone", "other", "performance", "permanent-absence", "playing", "presentation", "shopping",
	"sleeping", "spectator", "steering", "travel", "tv", "unknown", "vacation", "working", "worship",
}

// The types of a document that is read, by namespace.
type (
	readPresence struct {
		XMLName xml.Name     `xml:"urn:ietf:params:xml:ns:pidf presence"`
		Entity  string       `xml:"entity,attr"`
		Tuples  []readTuple  `xml:"urn:ietf:params:xml:ns:pidf tuple"`
		Notes   []readNote   `xml:"urn:ietf:params:xml:ns:pidf note"`
		Persons []readPerson `xml:"urn:ietf:params:xml:ns:pidf:data-model person"`
	}
	readTuple struct {
		ID      string     `xml:"id,attr"`
		Basic   string     `xml:"urn:ietf:params:xml:ns:pidf status>basic"`
		Contact string     `xml:"urn:ietf:params:xml:ns:pidf contact"`
		Notes   []readNote `xml:"urn:ietf:params:xml:ns:pidf note"`
	}
	readPerson struct {
		Activities []struct {
			All []struct{ XMLName xml.Name } `xml:",any"`
		} `xml:"urn:ietf:params:xml:ns:pidf:rpid activities"`
		Notes []readNote `xml:"urn:ietf:params:xml:ns:pidf:data-model note"`
	}
	readNote struct {
		Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Text string `xml:",chardata"`
	}
)

const rpidSpace = "urn:ietf:params:xml:ns:pidf:rpid"

// ParsePresence reads a document; its errors say what is wrong with it.
func ParsePresence(b []byte) (p Presence, err error) {
	if len(b) > MaxPresence {
		return p, fmt.Errorf("the document has more than %d bytes", MaxPresence)
	}
	var r readPresence
	if err := xml.Unmarshal(b, &r); err != nil {
		return p, fmt.Errorf("no PIDF document: %w", err)
	}
	if len(r.Tuples) > presence.MaxTuples {
		return p, fmt.Errorf("more than %d tuples", presence.MaxTuples)
	}
	p.Entity = strings.TrimSpace(r.Entity)
	ids := map[string]bool{}
	for _, t := range r.Tuples {
		out, err := t.tuple()
		if err != nil {
			return p, err
		}
		if out.ID == "" || ids[out.ID] {
			return p, errors.New("a tuple has no id of its own")
		}
		ids[out.ID] = true
		p.Tuples = append(p.Tuples, out)
	}
	p.Notes = notes(r.Notes)
	for _, person := range r.Persons {
		for _, list := range person.Activities {
			for _, a := range list.All {
				p.act(a.XMLName)
			}
		}
		p.Notes = append(p.Notes, notes(person.Notes)...)
	}
	p.Notes = p.Notes[:min(len(p.Notes), presence.MaxNotes)]
	return p, nil
}

func (p *Presence) act(name xml.Name) {
	if name.Space == rpidSpace && slices.Contains(activities, name.Local) && !slices.Contains(p.Activities, name.Local) && len(p.Activities) < presence.MaxActivities {
		p.Activities = append(p.Activities, name.Local)
	}
}

func (t *readTuple) tuple() (presence.Tuple, error) {
	out := presence.Tuple{ID: strings.TrimSpace(t.ID), Contact: strings.TrimSpace(t.Contact), Notes: notes(t.Notes)}
	if len(out.Contact) > presence.MaxURI || len(out.ID) > presence.MaxURI {
		return out, fmt.Errorf("a tuple's id or contact has more than %d bytes", presence.MaxURI)
	}
	switch strings.TrimSpace(t.Basic) {
	case "open":
		out.Open = true
	case "closed", "": // what says nothing is not open
	default:
		return out, errors.New("a tuple's basic status is neither open nor closed")
	}
	return out, nil
}

// notes reads texts, cut to their bound.
func notes(list []readNote) (out []presence.Note) {
	for _, n := range list {
		text, lang := cut(strings.TrimSpace(n.Text)), cut(strings.TrimSpace(n.Lang))
		if text != "" && len(out) < presence.MaxNotes {
			out = append(out, presence.Note{Lang: lang, Text: text})
		}
	}
	return out
}

func cut(s string) string {
	if len(s) > presence.MaxNote {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:presence.MaxNote], ""))
	}
	return s
}

// The types of a document that is written. The prefixes are those of RFC 4480's
// examples: phones that search the text instead of reading XML look for them.
type (
	writePresence struct {
		XMLName xml.Name     `xml:"urn:ietf:params:xml:ns:pidf presence"`
		DM      string       `xml:"xmlns:dm,attr"`
		RPID    string       `xml:"xmlns:rpid,attr"`
		Entity  string       `xml:"entity,attr"`
		Tuples  []writeTuple `xml:"tuple"`
		Notes   []writeNote  `xml:"note"`
		Person  *writePerson `xml:"dm:person"`
	}
	writeTuple struct {
		ID      string      `xml:"id,attr"`
		Basic   string      `xml:"status>basic"`
		Contact string      `xml:"contact,omitempty"`
		Notes   []writeNote `xml:"note"`
	}
	writePerson struct {
		ID         string      `xml:"id,attr"`
		Activities []writeName `xml:"rpid:activities>_"`
	}
	writeName struct{ XMLName xml.Name }
	writeNote struct {
		Lang string `xml:"xml:lang,attr,omitempty"`
		Text string `xml:",chardata"`
	}
)

// Bytes writes the document.
func (p Presence) Bytes() []byte {
	out := writePresence{DM: "urn:ietf:params:xml:ns:pidf:data-model", RPID: rpidSpace, Entity: p.Entity}
	for _, t := range p.Tuples {
		basic := "closed"
		if t.Open {
			basic = "open"
		}
		out.Tuples = append(out.Tuples, writeTuple{ID: t.ID, Basic: basic, Contact: t.Contact, Notes: written(t.Notes)})
	}
	out.Notes = written(p.Notes)
	if len(p.Activities) > 0 {
		out.Person = &writePerson{ID: "p" + strconv.Itoa(len(p.Activities))}
		for _, a := range p.Activities {
			out.Person.Activities = append(out.Person.Activities, writeName{xml.Name{Local: "rpid:" + a}})
		}
	}
	b := marshal(&out)
	for _, a := range p.Activities { // phones that search the text look for empty elements
		b = bytes.Replace(b, []byte("></rpid:"+a+">"), []byte("/>"), 1)
	}
	return b
}

func written(list []presence.Note) (out []writeNote) {
	for _, n := range list {
		out = append(out, writeNote(n))
	}
	return out
}
