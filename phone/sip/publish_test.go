package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	wire "github.com/emiago/sipgo/sip"
)

const pidf = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:103@tincan"><tuple id="t1"><status><basic>open</basic></status></tuple><dm:person id="p"><rpid:activities><rpid:away/></rpid:activities></dm:person></presence>`

// publish publishes with authentication and gives the answer.
func (p *phone) publish(user, body string, extra ...string) wire.Message {
	p.t.Helper()
	uri := "sip:" + user + "@tincan"
	p.seq++
	d := dlg{callID: fmt.Sprintf("pub-%s-%d", p.addr(), p.seq), from: "pt", seq: 1}
	if body != "" {
		extra = append(extra, "Content-Type: application/pidf+xml")
	}
	write := func(extra ...string) {
		p.write(strings.Replace(p.text("PUBLISH", uri, d, body, extra...), "Content-Type: application/sdp\r\n", "", 1))
	}
	write(extra...)
	c := p.expect("401")
	d.seq = 2
	write(append(extra, p.auth(c, "PUBLISH", uri, "pw"+p.number, 1, "MD5"))...)
	return p.read(10 * time.Second)
}

func TestPresenceIsPublished(t *testing.T) {
	t.Parallel() // it waits for the pace of presence
	l := newLab(t)
	w, a := l.phone("101"), l.phone("103")
	_, ok := w.subscribe("103", "Event: presence", "Accept: application/pidf+xml")
	if !begins(ok, "200") {
		t.Fatal(ok)
	}
	if _, _, body := w.notified(200); !strings.Contains(body, "<basic>closed</basic>") || !strings.Contains(body, `entity="sip:103@tincan"`) {
		t.Error(body)
	}
	pub := a.publish("103", pidf, "Event: presence", "Expires: 600")
	tag := header(pub, "SIP-ETag")
	if !begins(pub, "200") || tag == "" || header(pub, "Expires") != "600" {
		t.Fatal(pub)
	}
	if _, _, body := w.notified(200); !strings.Contains(body, "<basic>open</basic>") || !strings.Contains(body, "<rpid:away/>") {
		t.Error(body)
	}
	refreshed := a.publish("103", "", "Event: presence", "SIP-If-Match: "+tag)
	again := header(refreshed, "SIP-ETag")
	if !begins(refreshed, "200") || again == tag || again == "" {
		t.Error(refreshed)
	}
	if res := a.publish("103", "", "Event: presence", "SIP-If-Match: "+tag); !begins(res, "412") {
		t.Error(res)
	}
	if res := a.publish("103", "", "Event: presence", "SIP-If-Match: "+again, "Expires: 0"); !begins(res, "200") {
		t.Error(res)
	}
	if _, _, body := w.notified(200); !strings.Contains(body, "<basic>closed</basic>") || strings.Contains(body, "away") {
		t.Error(body)
	}
	a.register()
	if _, _, body := w.notified(200); !strings.Contains(body, "<basic>open</basic>") {
		t.Error(body)
	}
}

func TestPublishRefused(t *testing.T) {
	l := newLab(t)
	a := l.phone("103")
	for _, c := range []struct {
		user, body, want string
		extra            []string
	}{
		{"103", pidf, "489", []string{"Event: weather"}},
		{"101", pidf, "403", []string{"Event: presence"}},
		{"103", pidf, "423", []string{"Event: presence", "Expires: 5"}},
		{"103", "", "400", []string{"Event: presence"}},
		{"103", "<presence/>", "400", []string{"Event: presence"}},
		{"103", strings.Repeat("x", 17<<10), "413", []string{"Event: presence"}},
	} {
		if res := a.publish(c.user, c.body, c.extra...); !begins(res, c.want) {
			t.Errorf("%s %v: want %s, got\n%s", c.user, c.extra, c.want, res)
		}
	}
	for range 10 {
		a.publish("103", pidf, "Event: presence")
	}
	if res := a.publish("103", pidf, "Event: presence"); !begins(res, "403") {
		t.Error(res)
	}
	s := l.phone("666")
	s.send("PUBLISH", "sip:103@tincan", dlg{callID: "x", from: "y", seq: 1}, "", "Event: presence")
	s.expect("401")
}
