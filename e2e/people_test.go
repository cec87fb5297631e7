package e2e

import (
	"fmt"
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// The people of these tests: each has an extension, a secret and a tone.
const (
	ada, adaTone = "101", 440.0
	bob, bobTone = "102", 880.0
	eve, eveTone = "103", 1320.0
)

// secretOf is the secret of an extension.
func secretOf(number string) string { return "s3cret-" + number }

// people is a space.toml with these extensions.
func people(numbers ...string) string {
	var b strings.Builder
	for _, number := range numbers {
		fmt.Fprintf(&b, "[[extension]]\nnumber = %q\nname = \"Phone %s\"\nsecret = %q\n", number, number, secretOf(number))
	}
	return b.String()
}

// account is a phone of one of the people, at a server by UDP with PCMU.
func account(s *server, number string) peer.Account {
	tones := map[string]float64{ada: adaTone, bob: bobTone, eve: eveTone}
	return peer.Account{Number: number, Secret: secretOf(number), Server: s.address(), Tone: tones[number]}
}

// baresip starts and registers a phone; change may adjust its account.
func baresip(t *testing.T, s *server, number string, change ...func(*peer.Account)) *peer.Baresip {
	t.Helper()
	return peer.StartBaresip(t, adjusted(s, number, change))
}

// linphone is baresip's like for linphonec.
func linphone(t *testing.T, s *server, number string, change ...func(*peer.Account)) *peer.Linphone {
	t.Helper()
	return peer.StartLinphone(t, adjusted(s, number, change))
}

func adjusted(s *server, number string, change []func(*peer.Account)) peer.Account {
	a := account(s, number)
	for _, c := range change {
		c(&a)
	}
	return a
}

// codec makes a phone offer one codec.
func codec(name string) func(*peer.Account) {
	return func(a *peer.Account) { a.Codec = name }
}

// by makes a phone use a transport of the server.
func by(s *server, transport string) func(*peer.Account) {
	return func(a *peer.Account) {
		a.Transport = transport
		if transport == "tls" {
			a.Server = s.addressTLS()
		}
	}
}

// traced makes a baresip print the SIP it sends and receives.
func traced(a *peer.Account) { a.Trace = true }

// connect calls from one phone to the other and answers.
func connect(t *testing.T, from, to peer.Phone, number string) {
	t.Helper()
	from.Dial(t, number)
	to.AwaitIncoming(t)
	to.Answer(t)
	from.AwaitEstablished(t)
	to.AwaitEstablished(t)
}

// hearEachOther listens both ways.
func hearEachOther(t *testing.T, a peer.Phone, toneA float64, b peer.Phone, toneB float64) {
	t.Helper()
	a.Ear().Hears(t, toneB)
	b.Ear().Hears(t, toneA)
}

// hangUp ends the call from one side; the other must learn of it.
func hangUp(t *testing.T, from, to peer.Phone) {
	t.Helper()
	from.Hangup(t)
	to.AwaitClosed(t)
}
