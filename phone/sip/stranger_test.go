package sip_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"tincan/phone/directory"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport/memory"
)

// request writes a request of a stranger, the short way; more are header lines.
func request(method, user string, n int, more ...string) []byte {
	return fmt.Appendf(nil, "%s sip:%s@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.66;branch=z9hG4bKr%d\r\nFrom: <sip:%[2]s@192.0.2.1>;tag=f\r\n"+
		"To: <sip:%[2]s@192.0.2.1>\r\nCall-ID: stranger-%[3]d\r\nCSeq: 1 %[1]s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
		method, user, n, strings.Join(more, ""))
}

// made are the parts of an answer that are new each time.
var made = regexp.MustCompile(`nonce="[^"]*"|;tag=[0-9a-f]{20}`)

// Who asks for a number that exists gets the bytes that one gets who asks for one
// that does not, with and without a digest; the work is the same path: one look
// into a map, one digest computed over a secret or a decoy's.
func TestUnknownUsersLookLikeKnownOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
		defer s.Close()
		x := listen(t, s, "203.0.113.66")
		defer x.close()
		for _, method := range []string{"REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "PUBLISH", "MESSAGE", "REFER", "BYE", "INFO", "NOTIFY", "UPDATE", "CANCEL", "PRACK", "NONSENSE"} {
			for _, right := range []string{"", "Authorization: Digest username=\"%s\", realm=\"tincan\", nonce=\"x\", uri=\"sip:x\", response=\"%032d\", algorithm=MD5, qop=auth, cnonce=\"c\", nc=00000001\r\n"} {
				ask := func(user string) []byte {
					more := right
					if more != "" {
						more = fmt.Sprintf(more, user, 7)
					}
					x.send(request(method, user, 1, more))
					all := x.drain()
					if len(all) != 1 {
						t.Fatalf("%s for %s drew %d answers", method, user, len(all))
					}
					return bytes.ReplaceAll(made.ReplaceAll(all[0], nil), []byte(user), []byte("USER"))
				}
				if known, unknown := ask("101"), ask("777"); !bytes.Equal(known, unknown) {
					t.Errorf("%s: a number that exists draws\n%s\none that does not\n%s", method, known, unknown)
				}
			}
		}
	})
}

// Of users that do not exist as many are offered SHA-256 as of those that do, and
// always the same.
func TestDecoysPreferSHA256AsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var forms []directory.ExtensionForm
		for i := range 20 {
			f := directory.ExtensionForm{Number: fmt.Sprint(100 + i), Secret: "s"}
			if i%4 == 0 {
				f.Digest = "sha256"
			}
			forms = append(forms, f)
		}
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: forms})
		defer s.Close()
		x := listen(t, s, "203.0.113.66")
		defer x.close()
		offers := func(user string) bool {
			x.send(request("REGISTER", user, 1))
			return bytes.Contains(bytes.Join(x.drain(), nil), []byte("SHA-256"))
		}
		n := 0
		for i := range 2000 {
			user := fmt.Sprint(1000 + i)
			first := offers(user)
			if first != offers(user) {
				t.Fatalf("%s is offered now this, now that", user)
			}
			if first {
				n++
			}
		}
		if n < 400 || n > 600 {
			t.Errorf("%d of 2000 that do not exist are offered SHA-256, want about 500 as of those that do", n)
		}
	})
}

// A digest that was sent once is worth nothing the second time, whatever it says,
// and the phone that sent it is not asked for its secret again.
func TestReplayedDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
		defer s.Close()
		a := s.Phone("101", "pw101", "198.51.100.7")
		defer a.Close()
		x := listen(t, s, "203.0.113.66")
		defer x.close()
		const uri = "sip:101@tincan"
		a.Send("REGISTER", uri, siptest.Dialog{CallID: "r", From: "r", Seq: 1}, "")
		proof := a.Credentials(a.Expect("401"), "REGISTER", uri, 1)
		text := a.Request("REGISTER", uri, siptest.Dialog{CallID: "r", From: "r", Seq: 2}, "", proof)
		a.Write(text)
		a.Expect("200")
		text = strings.ReplaceAll(text, "198.51.100.7", "203.0.113.66") // heard, and sent for another Contact
		x.send([]byte(text))
		all := x.drain()
		if len(all) != 1 {
			t.Errorf("a replay drew %d answers", len(all))
		}
		for _, b := range all {
			if !bytes.Contains(b, []byte(" 401 ")) || !bytes.Contains(b, []byte("stale=true")) {
				t.Errorf("a replay drew\n%s", b)
			}
		}
		x.send([]byte(strings.ReplaceAll(strings.ReplaceAll(text, "nc=00000001", "nc=00000002"), "CSeq: 2", "CSeq: 3")))
		if got := x.status(); got != "401" {
			t.Errorf("a count that is not in the digest drew %s", got)
		}
		if n := len(s.Bindings.For("101")); n != 1 {
			t.Errorf("%d devices, want the phone alone", n)
		}
	})
}
