package main

import "strings"

// header gives the value of the first header of a SIP message's text with this
// name or short form (RFC 3261 7.3.3); "" if there is none.
func header(text, name, short string) string {
	head, _, _ := strings.Cut(text, "\r\n\r\n")
	_, head, _ = strings.Cut(head, "\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		n, value, ok := strings.Cut(line, ":")
		n = strings.TrimSpace(n)
		if ok && (strings.EqualFold(n, name) || short != "" && strings.EqualFold(n, short)) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// headerUser gives the user of the URI in a header, such as 101 of
// "Ada" <sip:101@phones.example>;tag=x.
func headerUser(text, name, short string) string { return uriUser(header(text, name, short)) }

func uriUser(address string) string {
	if i := strings.LastIndexByte(address, '<'); i >= 0 {
		address, _, _ = strings.Cut(address[i+1:], ">")
	}
	scheme, rest, ok := strings.Cut(address, ":")
	if !ok {
		return ""
	}
	user, _, at := strings.Cut(rest, "@")
	if !at && !strings.EqualFold(scheme, "tel") {
		return "" // sip:host
	}
	user, _, _ = strings.Cut(user, ";")
	user, _, _ = strings.Cut(user, ":") // a password
	return user
}
