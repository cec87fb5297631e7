package sip

import (
	"strings"
	"unicode"
	"unicode/utf8"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
)

// Bounds of what is shown of who calls, whatever a trunk writes.
const (
	maxShownName   = 64 // letters
	maxShownNumber = 64 // bytes; a number has 20, an address in its place more
)

// userOf gives the user part of a URI, or the number of a tel: URI, without
// parameters and, in a telephone number, without visual separators (RFC 3966 3
// and 5.1.1). A phone-context is not looked at: what a local number means is the
// dialplan's to say; nor is isub, which has no use here.
func userOf(u *wire.Uri) string {
	if u.Scheme == "tel" {
		number, _, _ := strings.Cut(u.Raw(), ";")
		return unseparated(unescape(number))
	}
	user, _, _ := strings.Cut(u.User, ";")
	user = unescape(user)
	if kind, _ := u.UriParams.Get("user"); strings.EqualFold(kind, "phone") { // RFC 3261 19.1.6
		return unseparated(user)
	}
	return user
}

// unseparated takes the visual separators out of what is a telephone number.
func unseparated(s string) string {
	number := strings.NewReplacer("-", "", ".", "", "(", "", ")", "", " ", "").Replace(s)
	if number == "" || strings.Trim(strings.TrimPrefix(number, "+"), "0123456789*#") != "" {
		return s
	}
	return number
}

// dialled gives the number that a call is for: where its trunk says, else in the
// Request-URI. A call to the account itself is one to its number, if that is known.
func dialled(req *wire.Request, t *directory.Trunk) string {
	if t == nil {
		return userOf(&req.Recipient)
	}
	number := asked(req, t)
	if t.Number != "" && number == t.Username {
		return t.Number
	}
	return number
}

// asked gives the number that a trunk asks for. One that calls our Contact names
// the number in To.
func asked(req *wire.Request, t *directory.Trunk) string {
	to := userOf(&req.To().Address)
	switch {
	case t.NumberFrom == "to":
		return to
	case t.NumberFrom == "p-called-party-id":
		if u, _, ok := address(header(req, "P-Called-Party-ID")); ok { // RFC 7315 4.2
			return userOf(&u)
		}
	}
	if t.Token != "" && req.Recipient.User == t.Token || req.Recipient.User == "" && req.Recipient.Scheme != "tel" {
		return to
	}
	return userOf(&req.Recipient)
}

// address reads a name-addr or addr-spec, the first of a list.
func address(value string) (u wire.Uri, name string, ok bool) {
	if value == "" {
		return u, "", false
	}
	var params wire.HeaderParams
	name, err := wire.ParseAddressValue(first(value), &u, &params)
	return u, name, err == nil && (u.Host != "" || u.Scheme == "tel")
}

// first cuts a list of addresses after its first, minding quotes and brackets.
func first(list string) string {
	quoted, inside := false, false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !inside:
			quoted = !quoted
		case quoted:
		case c == '<':
			inside = true
		case c == '>':
			inside = false
		case c == ',' && !inside:
			return list[:i]
		}
	}
	return list
}

// shownName bounds a display name and takes out what no phone should show.
func shownName(s string) string {
	s = printable(s)
	if utf8.RuneCountInString(s) > maxShownName {
		s = string([]rune(s)[:maxShownName])
	}
	return strings.TrimSpace(s)
}

// printable takes out what ends lines, or worse.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func shownNumber(s string) string {
	s = printable(s)
	if len(s) > maxShownNumber {
		s = strings.ToValidUTF8(s[:maxShownNumber], "")
	}
	return s
}
