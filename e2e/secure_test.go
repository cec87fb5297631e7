package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// encrypted makes a phone encrypt in a way, and take nothing else.
func encrypted(how string) func(*peer.Account) {
	return func(a *peer.Account) { a.Encryption, a.Insists = how, how != "" }
}

// encryption is how the legs of the only call are encrypted, as `tincan calls
// --json` tells, by party.
func (s *server) encryption(t *testing.T) map[string]string {
	t.Helper()
	var list []struct {
		Legs []struct {
			Party      string `json:"party"`
			Encryption string `json:"encryption"`
		} `json:"legs"`
	}
	s.list(t, &list, "calls")
	if len(list) != 1 {
		t.Fatalf("%d calls", len(list))
	}
	out := map[string]string{}
	for _, l := range list[0].Legs {
		out[l.Party] = l.Encryption
	}
	return out
}

// TestEncryptedPhones: phones with and without encryption hear each other, relayed
// and transcoded, whoever calls; what each has is shown. Two ways to encrypt are
// tried between phones of different makers, and of the same.
func TestEncryptedPhones(t *testing.T) {
	t.Parallel()
	type kind struct {
		maker, has, shows string

		start func(*testing.T, *server, string) peer.Phone
	}
	bare := func(how, transport string, more ...func(*peer.Account)) func(*testing.T, *server, string) peer.Phone {
		return func(t *testing.T, s *server, n string) peer.Phone {
			return baresip(t, s, n, append(more, by(s, transport), encrypted(how))...)
		}
	}
	lin := func(how, transport string, more ...func(*peer.Account)) func(*testing.T, *server, string) peer.Phone {
		return func(t *testing.T, s *server, n string) peer.Phone {
			return linphone(t, s, n, append(more, by(s, transport), encrypted(how))...)
		}
	}
	kinds := []kind{
		{"baresip", "nothing", "", bare("", "udp")},
		{"baresip", "SRTP", "SDES", bare("srtp", "tls")},
		{"linphone", "SRTP and Opus", "SDES", lin("srtp", "tls", codec("opus"))},
		{"baresip", "DTLS", "DTLS", bare("dtls", "tls")},
		{"linphone", "DTLS", "DTLS", lin("dtls", "tls")},
	}
	for _, from := range kinds {
		for _, to := range kinds {
			if from.shows != "" && to.shows != "" && from.maker == to.maker && from.has != to.has {
				continue
			}
			t.Run(fmt.Sprintf("%s with %s to %s with %s", from.maker, from.has, to.maker, to.has), func(t *testing.T) {
				t.Parallel()
				s := startServer(t, people(ada, bob))
				a, b := from.start(t, s, ada), to.start(t, s, bob)
				connect(t, a, b, bob)
				hearEachOther(t, a, adaTone, b, bobTone)
				got := s.encryption(t)
				for party, want := range map[string]string{"extension:" + ada: from.shows, "extension:" + bob: to.shows} {
					if !strings.HasPrefix(got[party], want) || (want == "") != (got[party] == "") {
						t.Errorf("%s is encrypted by %q, want %q", party, got[party], want)
					}
				}
				hangUp(t, a, b)
			})
		}
	}
}

// TestRequiredEncryptionIsRefused: a phone in the clear whose extension requires
// encryption neither calls nor is called.
func TestRequiredEncryptionIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob)+"encryption = \"required\"\n")
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	b.Dial(t, ada)
	if why := b.AwaitClosed(t); !strings.HasPrefix(why, "488") {
		t.Errorf("its call ended with %q", why)
	}
	a.Dial(t, bob)
	if why := a.AwaitClosed(t); !strings.HasPrefix(why, "488") {
		t.Errorf("the call to it ended with %q", why)
	}
	s.awaitNoCalls(t)
	for _, r := range s.records(t) {
		if r.Cause != "unencrypted" {
			t.Errorf("record %+v", r)
		}
	}
}

// TestWantedEncryptionIsMissed: a phone that has none is called all the same, and
// the call says so.
func TestWantedEncryptionIsMissed(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob)+"encryption = \"wanted\"\n")
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	if got := s.encryption(t)["extension:"+bob]; got != "none, though wanted" {
		t.Errorf("shown as %q", got)
	}
	hangUp(t, a, b)
}

// TestEncryptedCallIsAdopted: the sound of an encrypted call comes back after kill
// -9, however its keys were agreed.
func TestEncryptedCallIsAdopted(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"srtp", "dtls"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada, bob)+"encryption = \"wanted\"\n")
			a, b := linphone(t, s, ada, encrypted("srtp")), baresip(t, s, bob, encrypted(how))
			connect(t, a, b, bob)
			hearEachOther(t, a, adaTone, b, bobTone)
			before := fmt.Sprint(s.encryption(t))
			deadline := time.Now().Add(soundBack)
			s.crash(t)
			a.Ear().HearsBy(t, bobTone, deadline)
			b.Ear().HearsBy(t, adaTone, deadline)
			if got := fmt.Sprint(s.encryption(t)); got != before {
				t.Errorf("encrypted by %s, before by %s", got, before)
			}
			hangUp(t, a, b)
			s.awaitNoCalls(t)
		})
	}
}

// TestEncryptedHold: a phone that holds and resumes is heard again, with the same
// keys or others.
func TestEncryptedHold(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"srtp", "dtls"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada, bob))
			a, b := linphone(t, s, ada, by(s, "tls"), encrypted(how)), baresip(t, s, bob, by(s, "tls"), encrypted("srtp"))
			connect(t, a, b, bob)
			hearEachOther(t, a, adaTone, b, bobTone)
			for range 2 {
				a.Hold(t)
				b.Ear().HearsNot(t, adaTone)
				a.Resume(t)
				hearEachOther(t, a, adaTone, b, bobTone)
			}
			hangUp(t, a, b)
		})
	}
}

// TestZRTPBetweenPhones: two phones that agree on keys with each other show the same
// short words: what they say to each other for that passes untouched.
func TestZRTPBetweenPhones(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	zrtp := func(a *peer.Account) { a.Encryption = "zrtp" }
	a, b := linphone(t, s, ada, zrtp), linphone(t, s, bob, zrtp)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	one, other := a.ShortWords(t), b.ShortWords(t)
	if one == "" || one != other {
		t.Errorf("one shows %q, the other %q", one, other)
	}
	hangUp(t, a, b)
}

// TestEncryptedTrunk: two servers joined over TLS encrypt what passes between them,
// whatever their phones do.
func TestEncryptedTrunk(t *testing.T) {
	t.Parallel()
	far := startServer(t, people(bob)+sister(bob, registersHere+"\nencryption = \"required\""))
	where := place{ip: "127.0.0.1", sip: fmt.Sprintf("authorities = %q", filepath.Join(far.folder, "data", "tls-cert.pem"))}
	near := startServerAt(t, where, people(ada)+sister(ada, registersAt(far.addressTLS(), "transport = \"tls\"")))
	near.awaitTrunk(t, "sister", "registered")
	a, b := baresip(t, near, ada), linphone(t, far, bob)
	for _, call := range []struct {
		from, to peer.Phone
		number   string
	}{{a, b, bob}, {b, a, ada}} {
		connect(t, call.from, call.to, "9"+call.number)
		hearEachOther(t, a, adaTone, b, bobTone)
		for _, s := range []*server{near, far} {
			if got := s.encryption(t)["trunk:sister"]; !strings.HasPrefix(got, "SDES") {
				t.Errorf("the call to %s is encrypted by %q", call.number, got)
			}
		}
		hangUp(t, call.from, call.to)
		near.awaitNoCalls(t)
		far.awaitNoCalls(t)
	}
}

// TestEncryptedTrunkOverUDP: where others can read what two servers say to each other,
// their keys are not in it.
func TestEncryptedTrunkOverUDP(t *testing.T) {
	t.Parallel()
	const required = "\nencryption = \"required\""
	far := startServer(t, people(bob)+sister(bob, registersHere+required))
	near := startServer(t, people(ada)+sister(ada, registersAt(far.address(), "transport = \"udp\"")+required))
	near.awaitTrunk(t, "sister", "registered")
	a, b := baresip(t, near, ada), linphone(t, far, bob)
	for _, call := range []struct {
		from, to peer.Phone
		number   string
	}{{a, b, bob}, {b, a, ada}} {
		connect(t, call.from, call.to, "9"+call.number)
		hearEachOther(t, a, adaTone, b, bobTone)
		for _, s := range []*server{near, far} {
			if got := s.encryption(t)["trunk:sister"]; !strings.HasPrefix(got, "DTLS") {
				t.Errorf("the call to %s is encrypted by %q", call.number, got)
			}
		}
		hangUp(t, call.from, call.to)
		near.awaitNoCalls(t)
		far.awaitNoCalls(t)
	}
}
