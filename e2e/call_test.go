package e2e

import (
	"strings"
	"testing"

	"tincan/e2e/peer"
)

func TestCallIsHeardBothWays(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada, bob))
			a := baresip(t, s, ada, by(s, transport))
			b := linphone(t, s, bob, by(s, transport))
			connect(t, a, b, bob)
			hearEachOther(t, a, adaTone, b, bobTone)
			a.Ear().HearsNot(t, adaTone)
			hangUp(t, a, b)
			connect(t, b, a, ada)
			hearEachOther(t, a, adaTone, b, bobTone)
			hangUp(t, a, b)
			s.awaitNoCalls(t)
		})
	}
}

func TestAllDevicesRingAndOneAnswers(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a := baresip(t, s, ada)
	desk := baresip(t, s, bob)
	pocket := baresip(t, s, bob, func(a *peer.Account) { a.Tone = eveTone })
	a.Dial(t, bob)
	desk.AwaitIncoming(t)
	pocket.AwaitIncoming(t)
	pocket.Answer(t)
	a.AwaitEstablished(t)
	desk.AwaitClosed(t)
	hearEachOther(t, a, adaTone, pocket, eveTone)
	hangUp(t, pocket, a)
}

func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	a.Dial(t, bob)
	b.AwaitIncoming(t)
	a.AwaitRinging(t)
	a.Hangup(t)
	b.AwaitClosed(t)
	s.awaitNoCalls(t)
}

func TestBusy(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	a.Dial(t, bob)
	b.AwaitIncoming(t)
	b.Hangup(t)
	wantReason(t, a.AwaitClosed(t), "486")
}

func TestNobodyRegistered(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a := baresip(t, s, ada)
	a.Dial(t, bob)
	wantReason(t, a.AwaitClosed(t), "480")
}

func TestNoSuchNumber(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada))
	a := baresip(t, s, ada)
	a.Dial(t, "999")
	wantReason(t, a.AwaitClosed(t), "404")
}

// TestNoCodecInCommon: who takes none of the caller's codecs is offered those
// that the server makes, and what it chooses is transcoded.
func TestNoCodecInCommon(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada, codec("gsm")), baresip(t, s, bob, codec("pcmu"))
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
	s.awaitNoCalls(t)
}

func TestEchoAnswersItself(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada))
	a := baresip(t, s, ada)
	a.Dial(t, "*43")
	a.AwaitEstablished(t)
	a.Ear().Hears(t, adaTone)
	a.Hangup(t)
	a.AwaitClosed(t)
	s.awaitNoCalls(t)
}

func TestToneIsHeard(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(eve, bob)+"[[route]]\nnumber = \"8000\"\nto = \"app:tone\"\n")
	for number, name := range map[string]string{eve: "opus", bob: "pcmu"} {
		b := baresip(t, s, number, codec(name))
		b.Dial(t, "8000")
		b.AwaitEstablished(t)
		b.Ear().Hears(t, appTone)
		b.Ear().HearsNot(t, map[string]float64{eve: eveTone, bob: bobTone}[number])
		b.Hangup(t)
		b.AwaitClosed(t)
	}
	s.awaitNoCalls(t)
}

// appTone is what app:tone plays, Hz.
const appTone = 440.0

func TestCallByIPv6(t *testing.T) {
	t.Parallel()
	const loopback = "::1"
	s := startServerAt(t, place{ip: loopback}, people(ada, bob))
	six := func(a *peer.Account) { a.IP = loopback }
	a, b := baresip(t, s, ada, six), baresip(t, s, bob, six)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

func wantReason(t *testing.T, reason, status string) {
	t.Helper()
	if !strings.HasPrefix(reason, status) {
		t.Errorf("the caller was told %q, want status %s", reason, status)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada)+"[[extension]]\nnumber = \""+bob+"\"\nsecret = \""+secretOf(bob)+"\"\nring_seconds = 2\n")
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	a.Dial(t, bob)
	b.AwaitIncoming(t)
	wantReason(t, a.AwaitClosed(t), "480")
	b.AwaitClosed(t)
	s.awaitNoCalls(t)
}
