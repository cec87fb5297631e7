package peer

import (
	"testing"
)

// The phones are proved on each other, without a server between them: what
// fails here is the harness.

func TestBaresipsHearEachOther(t *testing.T) {
	for codec := range baresipCodecs {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			a, b, address := baresipPair(t, codec)
			a.Dial(t, address)
			talk(t, a, b, 440, 880)
		})
	}
}

func TestLinphoneAndBaresipHearEachOther(t *testing.T) {
	for _, codec := range []string{"pcmu", "pcma", "gsm", "g722", "opus"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			port := FreePort(t)
			b := StartBaresip(t, Account{Number: "b", Codec: codec, Tone: 880, Port: port})
			a := StartLinphone(t, Account{Number: "a", Codec: codec, Tone: 440})
			a.Dial(t, "sip:"+b.account.Number+"@"+b.account.own())
			talk(t, a, b, 440, 880)
		})
	}
}

func TestLinphonesHearEachOtherBySpeex(t *testing.T) {
	port := FreePort(t)
	b := StartLinphone(t, Account{Number: "b", Codec: "speex", Tone: 880, Port: port})
	a := StartLinphone(t, Account{Number: "a", Codec: "speex", Tone: 440})
	a.Dial(t, "sip:b@"+b.account.own())
	talk(t, a, b, 440, 880)
}

// talk answers, listens both ways, and hangs up.
func talk(t *testing.T, a, b Phone, toneA, toneB float64) {
	t.Helper()
	b.AwaitIncoming(t)
	b.Answer(t)
	a.AwaitEstablished(t)
	b.AwaitEstablished(t)
	a.Ear().Hears(t, toneB)
	b.Ear().Hears(t, toneA)
	a.Ear().HearsNot(t, toneA)
	a.Hangup(t)
	a.AwaitClosed(t)
	b.AwaitClosed(t)
}

func baresipPair(t *testing.T, codec string) (a, b *Baresip, address string) {
	t.Helper()
	port := FreePort(t)
	b = StartBaresip(t, Account{Number: "b", Codec: codec, Tone: 880, Port: port})
	a = StartBaresip(t, Account{Number: "a", Codec: codec, Tone: 440, Port: FreePort(t)})
	return a, b, "sip:b@" + b.account.own()
}

func TestDigitsArrive(t *testing.T) {
	a, b, address := baresipPair(t, "pcmu")
	a.Dial(t, address)
	b.AwaitIncoming(t)
	b.Answer(t)
	a.AwaitEstablished(t)
	a.Ear().Hears(t, 880)
	a.Digit(t, "5")
	b.AwaitDigit(t, "5")
}

func TestRefusedCallIsBusy(t *testing.T) {
	a, b, address := baresipPair(t, "pcmu")
	a.Dial(t, address)
	b.AwaitIncoming(t)
	b.Hangup(t)
	if reason := a.AwaitClosed(t); reason == "" {
		t.Error("no reason given for the refusal")
	}
}
