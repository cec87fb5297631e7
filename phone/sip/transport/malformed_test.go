package transport

import (
	"bytes"
	"strings"
	"testing"

	wire "github.com/emiago/sipgo/sip"
)

// What is too much is refused before it is parsed, each with its status.
func TestSizeOfHeaders(t *testing.T) {
	p := wire.NewParser()
	with := func(more string) []byte {
		return bytes.Replace(message("OPTIONS", 1, ""), []byte("Call-ID"), []byte(more+"Call-ID"), 1)
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"headers":       {with(strings.Repeat("X: y\r\n", maxHeaders)), "400"},
		"a long header": {with("X: " + strings.Repeat("y", maxLine) + "\r\n"), "400"},
		"all headers":   {with(strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40)), "513"},
		"a long URI":    {bytes.Replace(message("OPTIONS", 1, ""), []byte("x@"), []byte(strings.Repeat("x", maxURI)+"@"), 1), "414"},
		"two To":        {with("t: <sip:a@b>\r\n"), "400"},
		"two lengths":   {with("l: 7\r\n"), "400"},
		"no Call-ID":    {bytes.Replace(message("OPTIONS", 1, ""), []byte("Call-ID"), []byte("X"), 1), "400"},
		"no Via":        {bytes.Replace(message("OPTIONS", 1, ""), []byte("Via"), []byte("X"), 1), ""},
		"an ACK":        {bytes.Replace(message("ACK", 1, ""), []byte("Call-ID"), []byte("X"), 1), ""},
		"a response":    {[]byte("SIP/2.0 200 OK\r\nVia: x\r\n\r\n"), ""},
		"another SIP":   {bytes.Replace(message("OPTIONS", 1, ""), []byte("SIP/2.0"), []byte("SIP/3.0"), 1), "505"},
		"mailto":        {bytes.Replace(message("OPTIONS", 1, ""), []byte("sip:x"), []byte("mailto:x"), 1), "416"},
	} {
		_, err := parse(p, c.b)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		got := refusal(c.b, err)
		if c.want == "" && got != nil || c.want != "" && !strings.HasPrefix(string(got), "SIP/2.0 "+c.want+" ") {
			t.Errorf("%s: %.60q, want %s", name, got, c.want)
		}
	}
}

// A refusal is short, whole, and says nothing that the request's copied headers do
// not say.
func FuzzRefusal(f *testing.F) {
	f.Add(message("INVITE", 1, "v=0"))
	f.Add([]byte("X y\nv:\n folded\r\n\tmore\r\nTo: x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := refusal(b, ErrTooLarge)
		if got == nil {
			return
		}
		if len(got) > maxRefusal || len(got) > len(b)+len("SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")+2*maxHeaders {
			t.Fatalf("%d bytes drew %d", len(b), len(got))
		}
		body := bytes.TrimPrefix(got, []byte("SIP/2.0 400 Bad Request\r\n"))
		if !bytes.HasSuffix(body, []byte("Content-Length: 0\r\n\r\n")) || bytes.Count(got, []byte("\r\n\r\n")) != 1 && !bytes.Contains(b, []byte("\r\n\r\n")) {
			t.Fatalf("%q", got)
		}
		for _, h := range headers(bytes.TrimSuffix(body, []byte("Content-Length: 0\r\n\r\n"))) {
			if copies(h) < 0 {
				t.Fatalf("%q in %q", h, got)
			}
		}
	})
}
