package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

func TestDigitsByRFC4733(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	for _, digit := range []string{"1", "5", "#"} {
		a.Digit(t, digit)
		b.AwaitDigit(t, digit)
	}
	hangUp(t, a, b)
}

func TestDigitsByINFO(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a := linphone(t, s, ada, func(a *peer.Account) { a.InfoDTMF = true })
	b := baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	for _, digit := range []string{"4", "2"} {
		a.Digit(t, digit)
		b.AwaitDigit(t, digit)
	}
	hangUp(t, b, a)
}
