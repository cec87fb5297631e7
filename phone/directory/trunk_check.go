package directory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tincan/config/form"
)

const (
	// maxMatch bounds a trunk's sources: carriers name some dozens of networks.
	maxMatch = 128
	// maxLimit bounds the calls at once of a trunk, as call.MaxCalls bounds all.
	maxLimit = 20_000
)

// Bounds of a trunk's times.
const (
	minTrunkExpires = time.Minute
	maxTrunkExpires = 24 * time.Hour
	minQualify      = 5 * time.Second
	maxQualify      = time.Hour
)

// Check finds what is wrong with each, and what two trunks claim.
func (Trunks) Check(all []TrunkForm) []form.Problem {
	var c problems
	taken := map[string]claims{} // by protocol: each has its own ports and accounts
	for _, protocol := range protocols() {
		taken[protocol] = claims{map[string]string{}, map[string]string{}}
	}
	for i, t := range all {
		c.index = i
		if !isTrunkName(t.Name) {
			c.add("name", fmt.Sprintf("%q is not a name for a trunk", t.Name), fmt.Sprintf("write up to %d letters, digits, - or _ instead", maxName))
		}
		c.word("template", t.Template, templateNames())
		c.protocol(t)
		claimed, known := taken[cmp.Or(t.Protocol, ProtocolSIP)]
		if !known {
			continue // which fields it may have nobody can say
		}
		t = *t.Whole()
		c.place(t)
		c.word("transport", t.Transport, []string{"udp", "tcp", "tls"})
		c.account(t, claimed.users)
		c.word("caller_id", t.CallerID, []string{"from", "pai", "ppi", "rpid"})
		c.word("number_from", t.NumberFrom, []string{"request", "to", "p-called-party-id"})
		c.word("uri", t.URI, []string{"sip", "tel"})
		c.token("number", t.Number)
		c.bounds(t)
		c.codecs(t.Codecs)
		c.sound(t.DTMF, t.Clean)
		c.word("encryption", t.Encryption, Encryptions())
		c.word("ice", t.ICE, ices())
		c.word("offer", t.Offer, offers())
		c.match(t, claimed.sources)
	}
	return c.found
}

// claims are what one trunk alone may have, with the name of who has it.
type claims struct{ sources, users map[string]string }

func (p *problems) word(field, text string, known []string) {
	if text != "" && !slices.Contains(known, text) {
		p.add(field, fmt.Sprintf("%q is not known", text), form.Suggest(text, known))
	}
}

// place checks where the trunk is.
func (p *problems) place(t TrunkForm) {
	const fix = `write host or host:port such as "198.51.100.7:5060" instead`
	switch _, err := parseTarget(t.Address); {
	case t.Accept == "register" && t.Address != "":
		p.add("address", "is not needed: its calls go where it registers", `leave it out, or write accept = "digest"`)
	case t.Accept != "register" && err != nil:
		p.add("address", fmt.Sprintf("%q %v", t.Address, err), fix)
	}
	if _, err := parseTarget(t.Proxy); t.Proxy != "" && err != nil {
		p.add("proxy", fmt.Sprintf("%q %v", t.Proxy, err), fix)
	}
	if _, err := parseTarget(t.Domain); t.Domain != "" && (err != nil || strings.Contains(t.Domain, ":")) {
		p.add("domain", fmt.Sprintf("%q is not a domain", t.Domain), `write a name such as "carrier.example" instead`)
	}
}

// account checks who we are there, or they here.
func (p *problems) account(t TrunkForm, users map[string]string) {
	p.token("username", t.Username)
	p.token("auth_username", t.AuthUsername)
	p.secret(t.Secret)
	p.word("accept", t.Accept, []string{"register", "digest"})
	switch {
	case t.Username == "" && (is(t.Register) || t.Accept != ""):
		p.add("username", "is missing", "write the name of the account")
	case t.Username == "" && t.Secret != "":
		p.add("secret", "is of no account", "write its username too, or leave it out")
	case t.Accept == "":
	case is(t.Register):
		p.add("accept", "is of no use with register: one side registers at the other", "leave one of them out")
	case isNumber(t.Username):
		p.add("username", fmt.Sprintf("%q could be an extension's number", t.Username), "write one with a letter instead")
	case users[t.Username] != "":
		p.add("username", fmt.Sprintf("%q is trunk %q's already", t.Username, users[t.Username]), "write another")
	default:
		users[t.Username] = t.Name
	}
}

// token checks what stands in a message as it is.
func (p *problems) token(field, text string) {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\<>`, r) }
	switch {
	case len(text) > maxName:
		p.add(field, fmt.Sprintf("has more than %d letters", maxName), "write a shorter one instead")
	case strings.ContainsFunc(text, odd):
		p.add(field, fmt.Sprintf("%q has a sign that cannot stand there", text), `write ASCII letters and signs without spaces, ", \, < and > instead`)
	}
}

func (p *problems) bounds(t TrunkForm) {
	if t.Expires != 0 && (t.Expires < minTrunkExpires || t.Expires > maxTrunkExpires) {
		p.add("expires", fmt.Sprintf("%v is out of range", t.Expires), fmt.Sprintf("write a time from %v to %v instead", minTrunkExpires, maxTrunkExpires))
	}
	if q := t.Qualify; q != nil && *q != 0 && (*q < minQualify || *q > maxQualify) {
		p.add("qualify", fmt.Sprintf("%v is out of range", *q), fmt.Sprintf("write a time from %v to %v instead, or \"0s\" for none", minQualify, maxQualify))
	}
	if t.Accept == "register" && t.Qualify != nil && *t.Qualify != 0 {
		p.add("qualify", "is of no use with accept = \"register\": the other side keeps its registration up", "leave it out")
	}
	if t.Limit < 0 || t.Limit > maxLimit {
		p.add("limit", fmt.Sprintf("%d is out of range", t.Limit), fmt.Sprintf("write 1 to %d instead, or leave it out", maxLimit))
	}
}

func (p *problems) match(t TrunkForm, claimed map[string]string) {
	if len(t.Match) > maxMatch {
		p.add("match", fmt.Sprintf("has %d sources, more than %d", len(t.Match), maxMatch), "write networks instead")
		return
	}
	for i, text := range t.Match {
		field := fmt.Sprintf("match[%d]", i)
		m, err := ParseMatch(text)
		if err != nil {
			p.add(field, err.Error(), `write host, host:port or a network such as "203.0.113.0/24" instead`)
			continue
		}
		if by, taken := claimed[m.claim()]; taken {
			p.add(field, fmt.Sprintf("%q is trunk %q's already", text, by), "remove it from one of them, or add a port")
			continue
		}
		claimed[m.claim()] = t.Name
	}
}

func isTrunkName(s string) bool {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, odd)
}
