package sip

import (
	"cmp"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
)

// anonymous is who calls without being shown (RFC 3323 4.1.1.3).
const (
	anonymousUser = "anonymous"
	anonymousHost = "anonymous.invalid"
	anonymousName = "Anonymous"
)

// trunkParty says who calls by a trunk: who is in From or, if the trunk is set to
// be trusted, in P-Asserted-Identity (RFC 3325) or Remote-Party-ID.
func trunkParty(t *directory.Trunk, req *wire.Request) call.Party {
	who, name := &req.From().Address, req.From().DisplayName
	if t.Trusted {
		for _, h := range []string{"P-Asserted-Identity", "Remote-Party-ID"} {
			if u, n, ok := address(header(req, h)); ok {
				who, name = &u, cmp.Or(n, name)
				break
			}
		}
	}
	return call.Party{
		Ref: t.Ref(), Number: shownNumber(userOf(who)), Name: shownName(name), Codecs: t.Codecs, Private: private(req),
	}
}

// private reports whether who calls asks not to be shown (RFC 3323 4.2, RFC
// 3325 9.3).
func private(req *wire.Request) bool {
	for _, v := range tokens(req, "Privacy", "") {
		for p := range strings.SplitSeq(v, ";") {
			if p = strings.TrimSpace(p); p == "id" || p == "user" || p == "header" {
				return true
			}
		}
	}
	return strings.EqualFold(req.From().Address.Host, anonymousHost)
}

// showCaller sets who our INVITE is from: for a phone of ours the caller; for a
// trunk in the form that it wants. Called with mu held.
func (l *leg) showCaller(set call.Setup) {
	domain := l.s.domain(l.path)
	l.local, l.localName = wire.Uri{Scheme: "sip", User: escape(set.From.Number), Host: domain}, quoted(set.From.Name)
	switch {
	case l.trip != nil:
		l.showTo(l.trip.trunk, set)
	case set.From.Private:
		l.hide()
	}
	if l.remote.Host == "" && l.remote.Scheme != "tel" {
		l.remote.Host = domain
	}
}

func (l *leg) hide() {
	l.local = wire.Uri{Scheme: "sip", User: anonymousUser, Host: anonymousHost}
	l.localName = anonymousName
}

// showTo sets From and the headers beside it for a trunk.
func (l *leg) showTo(t *directory.Trunk, set call.Setup) {
	number, hidden := cmp.Or(t.Number, set.From.Number), t.Privacy || set.From.Private
	if t.Username != "" && t.Domain != "" {
		l.local.Host = t.Domain
	}
	l.local.User = escape(number)
	shown := identity{name: l.localName, uri: phoneURI(t, number, l.local.Host)}
	l.trip.headers = nil
	if hidden {
		l.trip.headers = append(l.trip.headers, wire.NewHeader("Privacy", "id"))
	}
	if t.CallerID == "" || t.CallerID == "from" {
		if hidden {
			l.hide()
		}
		return
	}
	if t.Username != "" {
		l.local.User = escape(t.Username)
	}
	if hidden {
		l.localName = anonymousName
	}
	l.trip.headers = append(l.trip.headers, shown.header(t.CallerID, hidden))
}

// identity is who calls, for a header of its own.
type identity struct {
	name string
	uri  wire.Uri
}

func (i identity) header(form string, hidden bool) wire.Header {
	v := "<" + i.uri.String() + ">"
	if i.name != "" {
		v = "\"" + i.name + "\" " + v
	}
	switch form {
	case "pai":
		return wire.NewHeader("P-Asserted-Identity", v)
	case "ppi":
		return wire.NewHeader("P-Preferred-Identity", v)
	}
	privacy := "off"
	if hidden {
		privacy = "full"
	}
	return wire.NewHeader("Remote-Party-ID", v+";party=calling;screen=yes;privacy="+privacy)
}

// phoneURI writes a number as its trunk wants numbers written.
func phoneURI(t *directory.Trunk, number, host string) wire.Uri {
	if t.URI == "tel" && telephone(number) {
		var u wire.Uri
		text := "tel:" + number
		if !strings.HasPrefix(number, "+") { // a local number needs a context (RFC 3966 5.1.5)
			text += ";phone-context=" + strings.Trim(host, "[]")
		}
		if wire.ParseUri(text, &u) == nil {
			return u
		}
	}
	return wire.Uri{Scheme: "sip", User: escape(number), Host: host}
}

// telephone reports whether a number can stand in a tel: URI.
func telephone(number string) bool {
	digits := strings.TrimPrefix(number, "+")
	return digits != "" && strings.Trim(digits, "0123456789*#") == ""
}
