package e2e

import (
	"regexp"
	"testing"

	"tincan/e2e/peer"
)

// theirPrint is the first byte of a certificate's fingerprint in a description.
var theirPrint = regexp.MustCompile(`(?i)(a=fingerprint:sha-256 )[0-9A-F]{2}`)

// Somebody between a phone and the server changes the fingerprint of its certificate,
// as whoever wants to listen must: the call ends, and says why to both.
func TestFingerprintOfAnother(t *testing.T) {
	const why = "the certificate has another fingerprint than its description says"
	ended := func(t *testing.T, s *server) {
		t.Helper()
		if r := s.onlyRecord(t); r.Cause != "unencrypted" || r.EndedBy != "server" || r.Detail != "extension:"+ada+": DTLS: "+why {
			t.Errorf("the record says %+v", r)
		}
	}
	for _, calls := range []bool{true, false} {
		name := map[bool]string{true: "it calls", false: "it is called"}[calls]
		t.Run("baresip, "+name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(bob, ada)+"encryption = \"wanted\"\n")
			wire := peer.StartWire(t, s.address())
			wire.Alter(func(b []byte) []byte { return theirPrint.ReplaceAll(b, []byte("${1}00")) })
			a := baresip(t, s, ada, by(s, "tcp"), encrypted("dtls"), traced, func(a *peer.Account) { a.Server = wire.Address })
			b := baresip(t, s, bob, traced)
			if calls {
				a.Dial(t, bob)
				b.AwaitIncoming(t)
				b.Answer(t)
			} else {
				b.Dial(t, ada)
				a.AwaitIncoming(t)
				a.Answer(t)
			}
			a.AwaitClosed(t)
			b.AwaitClosed(t)
			for _, phone := range []*peer.Baresip{a, b} {
				phone.Await(t, why)
			}
			ended(t, s)
		})
	}
	t.Run("browser", func(t *testing.T) {
		s := startServer(t, people(ada, bob))
		a, b := browser(t, s, ada), baresip(t, s, bob, traced)
		a.Says(t, `(sdp) => sdp.replace(/(a=fingerprint:sha-256 )../g, "$100")`)
		a.Dial(t, bob)
		b.AwaitIncoming(t)
		b.Answer(t)
		a.AwaitClosed(t)
		b.Await(t, why)
		ended(t, s)
	})
}
