package sip_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/directory"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// Over UDP nobody gets more than amplification times the bytes that he sent, ever:
// whoever forges an address gains little by us.
const amplification = 3

// shortest is a request in as few bytes as are answered.
func shortest(method string, n int, more string) []byte {
	b := fmt.Sprintf("%s sip:1@a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK%d\r\nf:<sip:1@a>;tag=a\r\nt:<sip:1@a>\r\ni:a%[2]d\r\nCSeq:1 %[1]s\r\n%[3]s", method, n, more)
	if short := transport.MinRequest - len(b) - 4; short > 0 {
		b += "l:" + strings.Repeat(" ", max(0, short-5)) + "0\r\n"
	}
	return []byte(b + "\r\n")
}

func TestNobodyIsAmplified(t *testing.T) {
	junk := map[string][]byte{
		"empty": {}, "CRLF": []byte("\r\n\r\n"), "64 kB": []byte(strings.Repeat("A SIP/2.0\r\n", 5900)),
		"a response": []byte("SIP/2.0 200 OK\r\nv:SIP/2.0/UDP a;branch=z9hG4bK1\r\nf:<sip:1@a>;tag=a\r\nt:<sip:1@a>;tag=b\r\ni:a\r\nCSeq:1 INVITE\r\nl:0\r\n\r\n"),
		"malformed":  []byte(strings.Replace(string(shortest("INVITE", 1, "")), "i:a1", "xxxx", 1)),
	}
	for _, m := range []string{"REGISTER", "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "SUBSCRIBE", "PUBLISH", "NOTIFY", "MESSAGE", "REFER", "INFO", "UPDATE", "PRACK", "NONSENSE"} {
		junk[m] = shortest(m, 1, "")
		junk[m+" in a dialog"] = []byte(strings.Replace(string(shortest(m, 1, "")), "t:<sip:1@a>", "t:<sip:1@a>;tag=x", 1))
		junk[m+" with Require"] = shortest(m, 1, "Require:"+strings.Repeat("a,", 40)+"\r\n")
		junk[m+" with a digest"] = shortest(m, 1, "Authorization: Digest username=\"101\", realm=\"tincan\", nonce=\"x\", uri=\"sip:1@a\", response=\"x\"\r\n")
		junk[m+" for an event"] = shortest(m, 1, "Event:presence\r\n")
	}
	worst, what := 0.0, ""
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{
			Extensions: append(two(), directory.ExtensionForm{Number: "1", Secret: "x", Digest: "sha256"}),
		})
		defer s.Close()
		for name, b := range junk {
			x := listen(t, s, "203.0.113.66")
			x.send(b)
			time.Sleep(2 * time.Minute) // whatever is sent again has been
			got := 0
			for _, a := range x.drain() {
				got += len(a)
			}
			x.close()
			if got > amplification*len(b) {
				t.Errorf("%s: %d bytes drew %d", name, len(b), got)
			}
			if f := float64(got) / float64(max(1, len(b))); f > worst {
				worst, what = f, name
			}
		}
	})
	t.Logf("the worst factor is %.2f, of %s", worst, what)
}
