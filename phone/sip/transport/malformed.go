package transport

import (
	"bytes"
	"errors"
	"fmt"
)

// Bounds on the headers of a message; what passes them is not parsed.
//
// A message beyond these is answered with what is said there, or dropped when it is
// a response: 513, 414, 400.
const (
	maxHead    = 32 << 10 // bytes of the first line and all headers: an INVITE with a signed identity and a route has 4 kB
	maxHeaders = 256      // lines; a long way's Via and Route are some dozens
	maxLine    = 8 << 10  // bytes of one
	maxURI     = 1024     // bytes of a first line: numbers and their parameters are a tenth of it
	maxParams  = 1000     // parameters of all headers: parsing is quadratic in those of one
	maxRefusal = 2048     // bytes of an answer to what cannot be parsed
)

// malformed is what is wrong with a message and the status that says so.
type malformed struct {
	code   int
	reason string
}

func (m *malformed) Error() string { return m.reason }

func bad(format string, args ...any) error { return &malformed{400, fmt.Sprintf(format, args...)} }

// bounded looks at the size of a message's headers before anything reads them.
func bounded(head []byte) error {
	if len(head) > maxHead {
		return &malformed{513, "Message Too Large"}
	}
	if bytes.Count(head, []byte(";"))+bytes.Count(head, []byte("&")) > maxParams {
		return bad("more than %d parameters", maxParams)
	}
	lines := 0
	for line := range bytes.Lines(head) {
		if lines == 0 && len(line) > maxURI {
			return &malformed{414, "Request-URI Too Long"}
		}
		if len(line) > maxLine {
			return bad("a header of more than %d bytes", maxLine)
		}
		if lines++; lines > maxHeaders {
			return bad("more than %d headers", maxHeaders)
		}
	}
	if i := bytes.IndexByte(head, 0); i >= 0 {
		return bad("NUL at byte %d", i)
	}
	first, _, _ := bytes.Cut(head, []byte("\n"))
	return spoken(first)
}

// spoken tells whether a first line is of SIP 2.0, and a request's URI of a scheme
// that has meaning here.
func spoken(line []byte) error {
	if bytes.HasPrefix(line, sipName) {
		return nil // a response
	}
	if v := bytes.LastIndex(line, sipName); v >= 0 && !bytes.HasPrefix(line[v:], sipVersion) {
		return &malformed{505, "Version Not Supported"} // RFC 3261 21.5.6
	}
	_, uri, _ := bytes.Cut(line, []byte(" "))
	scheme, _, ok := bytes.Cut(uri, []byte(":"))
	if !ok || !isScheme(scheme) {
		return nil // whatever it is, the parser says
	}
	for _, known := range schemes {
		if bytes.EqualFold(scheme, known) {
			return nil
		}
	}
	return &malformed{416, "Unsupported URI Scheme"} // RFC 3261 8.2.2.1
}

var schemes = [...][]byte{[]byte("sip"), []byte("sips"), []byte("tel")}

// isScheme tells whether b is a URI's scheme by its letters (RFC 3986 3.1).
func isScheme(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return len(b) > 0
}

// copied are the headers that a response repeats (RFC 3261 8.2.6.2), in both of
// their names.
var copied = [...]struct{ name, compact string }{
	{"Via", "v"}, {"From", "f"}, {"To", "t"}, {"Call-ID", "i"}, {"CSeq", "CSeq"},
}

// refusal makes the response to a request that cannot be parsed: whoever wrote the
// phone that sent it would like to know. It repeats those lines of the request that
// a response needs as they are, without understanding them, so that it is never
// much longer; nil where there can be no response: to an ACK, to a response, to
// what names no way back.
func refusal(b []byte, cause error) []byte {
	first, rest, ok := bytes.Cut(headOf(b), []byte("\n"))
	method, _, spaced := bytes.Cut(first, []byte(" "))
	if !ok || !spaced || !isToken(method) || string(method) == "ACK" {
		return nil
	}
	code, reason := 400, "Bad Request"
	var m *malformed
	if errors.As(cause, &m) {
		code, reason = m.code, m.reason
	}
	out := fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", code, reason)
	via := false
	for _, h := range headers(rest) {
		i := copies(h)
		via = via || i == 0
		if i >= 0 {
			out = append(append(out, bytes.TrimRight(h, "\r\n")...), '\r', '\n')
		}
	}
	if out = append(out, "Content-Length: 0\r\n\r\n"...); !via || len(out) > maxRefusal {
		return nil
	}
	return out
}

// copies gives a header's place in copied, or -1: for what has no name too, such as
// an empty line that goes on in the next, which would end a response's headers.
func copies(h []byte) int {
	name, _, ok := bytes.Cut(h, []byte(":"))
	if !ok || bytes.ContainsAny(name, "\r\n") {
		return -1
	}
	name = bytes.TrimSpace(name)
	for i, c := range copied {
		if bytes.EqualFold(name, []byte(c.name)) || bytes.EqualFold(name, []byte(c.compact)) {
			return i
		}
	}
	return -1
}

// headers splits lines into headers, each with the lines it goes on in.
func headers(b []byte) (all [][]byte) {
	for len(b) > 0 && len(all) < maxHeaders {
		end := 0
		for {
			i := bytes.IndexByte(b[end:], '\n')
			if i < 0 {
				end = len(b)
				break
			}
			if end += i + 1; end == len(b) || b[end] != ' ' && b[end] != '\t' {
				break
			}
		}
		all, b = append(all, b[:end]), b[end:]
	}
	return all
}

// headOf is a message without its body.
func headOf(b []byte) []byte {
	if end := bytes.Index(b, []byte("\r\n\r\n")); end >= 0 {
		return b[:end+2]
	}
	return b
}

// isToken tells whether b is a method by its letters (RFC 3261 25.1, token).
func isToken(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && bytes.IndexByte([]byte("-.!%*_+`'~"), c) < 0 {
			return false
		}
	}
	return len(b) > 0
}
