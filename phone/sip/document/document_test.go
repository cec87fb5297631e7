package document

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/presence"
)

const published = `<?xml version="1.0" encoding="UTF-8"?>
<presence entity="sip:101@tincan" xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p1="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid">
 <tuple id="sip"><status><basic>open</basic></status><contact priority="0.8">sip:101@10.0.0.1</contact><note xml:lang="de">Im Labor</note><timestamp>2026-01-01T00:00:00Z</timestamp></tuple>
 <p1:person id="x"><r:activities><r:away/><r:nonsense/><r:busy/></r:activities><p1:note>bin gleich zurück</p1:note></p1:person>
</presence>`

func TestPresence(t *testing.T) {
	got, err := ParsePresence([]byte(published))
	if err != nil {
		t.Fatal(err)
	}
	want := Presence{Entity: "sip:101@tincan", Status: presence.Status{
		Tuples:     []presence.Tuple{{ID: "sip", Open: true, Contact: "sip:101@10.0.0.1", Notes: []presence.Note{{Lang: "de", Text: "Im Labor"}}}},
		Activities: []string{"away", "busy"}, Notes: []presence.Note{{Text: "bin gleich zurück"}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text := string(got.Bytes())
	for _, s := range []string{"<basic>open</basic>", "<rpid:away/>", `<presence xmlns="urn:ietf:params:xml:ns:pidf"`} {
		if !strings.Contains(text, s) {
			t.Errorf("no %s in %s", s, text)
		}
	}
	again, err := ParsePresence([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, again); d != "" {
		t.Error(d)
	}
}

func TestPresenceRefused(t *testing.T) {
	for _, text := range []string{
		"", "x", "<presence/>", strings.Replace(published, "open", "ajar", 1), strings.Replace(published, `id="sip"`, "", 1),
		strings.Repeat(" ", MaxPresence+1), strings.Replace(published, "</presence>", "", 1),
		`<presence xmlns="urn:ietf:params:xml:ns:pidf">` + strings.Repeat(`<tuple id="a"/>`, 11) + `</presence>`,
		`<!DOCTYPE p [<!ENTITY e "x">]><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="&e;"></presence>`,
	} {
		if p, err := ParsePresence([]byte(text)); err == nil {
			t.Errorf("taken: %.60q as %+v", text, p)
		}
	}
}

// Whatever is read is written and read again as the same.
func FuzzPresence(f *testing.F) {
	f.Add([]byte(published))
	f.Add([]byte(`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="&#13;a"><note>&#10;x&lt;</note></presence>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePresence(b)
		if err != nil {
			return
		}
		again, err := ParsePresence(p.Bytes())
		if err != nil && len(p.Bytes()) <= MaxPresence {
			t.Fatalf("%v in %s", err, p.Bytes())
		}
		if err == nil {
			if d := cmp.Diff(p, again); d != "" {
				t.Fatal(d)
			}
		}
	})
}

func TestSummary(t *testing.T) {
	got := string(Summary{Account: "sip:*97@tincan", New: 2, Old: 8}.Bytes())
	want := "Messages-Waiting: yes\r\nMessage-Account: sip:*97@tincan\r\nVoice-Message: 2/8 (0/0)\r\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What strangers can put into names must not become XML.
func TestTextIsEscaped(t *testing.T) {
	d := Dialogs{Entity: "sip:1\"@h", Dialogs: []Dialog{{ID: "x", State: "early", Remote: &Side{Identity: Identity{Display: "a\"><b>", URI: "sip:<&>\x00"}}}}}
	var back Dialogs
	if err := xml.Unmarshal(d.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Dialogs[0].Remote.Identity.Display != "a\"><b>" || back.Entity != d.Entity {
		t.Errorf("%+v", back)
	}
}
