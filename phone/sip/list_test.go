package sip

import (
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/presence"
	"tincan/store"
)

// parts reads the body of a list's NOTIFY: texts by content type and place.
func parts(t *testing.T, n *wire.Request) (out []string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(header(n, "Content-Type"))
	if err != nil || kind != "multipart/related" || params["type"] != "application/rlmi+xml" {
		t.Fatalf("content type %q: %v", header(n, "Content-Type"), err)
	}
	r := multipart.NewReader(strings.NewReader(string(n.Body())), params["boundary"])
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Header.Get("Content-Type")+"\n"+string(b))
	}
}

func TestListIsWatched(t *testing.T) {
	t.Parallel() // it waits for the pace of presence
	l := newLab(t)
	err := l.store.Update(t.Context(), func(tx *store.Tx) error {
		return presence.Lists{}.Write(tx, []presence.List{{Name: "lab", Members: []string{"101", "102"}}}, nil)
	})
	if err == nil {
		err = l.subs.Reload(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	w, a := l.phone("103"), l.phone("101")
	if _, res := w.subscribe("lab", "Event: presence"); !begins(res, "421") || header(res, "Require") != "eventlist" {
		t.Error(res)
	}
	_, ok := w.subscribe("lab", "Event: presence", "Supported: eventlist", "Accept: application/pidf+xml, application/rlmi+xml, multipart/related")
	if !begins(ok, "200") || header(ok, "Require") != "eventlist" {
		t.Fatal(ok)
	}
	n, _, _ := w.notified(200)
	all := parts(t, n)
	if len(all) != 3 || header(n, "Require") != "eventlist" || !strings.Contains(all[0], `fullState="true"`) ||
		!strings.Contains(all[0], `uri="sip:102@tincan"`) || !strings.Contains(all[1], "<basic>closed</basic>") {
		t.Errorf("told %q", all)
	}
	a.register()
	n, _, _ = w.notified(200)
	all = parts(t, n)
	if len(all) != 2 || !strings.Contains(all[0], `fullState="false"`) || strings.Contains(all[0], "102@") ||
		!strings.HasPrefix(all[1], "application/pidf+xml\n") || !strings.Contains(all[1], "<basic>open</basic>") {
		t.Errorf("told %q", all)
	}
}
