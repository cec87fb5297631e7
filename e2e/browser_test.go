package e2e

import (
	"syscall"
	"testing"

	"tincan/e2e/peer"
)

// browser starts and registers a phone in a browser.
func browser(t *testing.T, s *server, number string, change ...func(*peer.Account)) *peer.Browser {
	t.Helper()
	a := account(s, number)
	a.Server = s.addressWSS()
	for _, c := range change {
		c(&a)
	}
	return peer.StartBrowser(t, a)
}

// A browser and a desk phone hear each other, whoever calls.
func TestBrowserAndDeskPhone(t *testing.T) {
	s := startServer(t, people(ada, bob))
	a, b := browser(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
	connect(t, b, a, ada)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

// Two browsers hear each other.
func TestTwoBrowsers(t *testing.T) {
	s := startServer(t, people(ada, bob))
	a, b := browser(t, s, ada), browser(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

// A browser that begins ICE anew, as when it goes from one network to another, is
// heard before and after.
func TestBrowserBeginsAnew(t *testing.T) {
	s := startServer(t, people(ada, bob))
	a, b := browser(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.Await(t, wayTo(ada))
	a.BeginAnew(t)
	s.Await(t, wayTo(ada))
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}

// A browser holds and resumes, and presses a key.
func TestBrowserHoldsAndPresses(t *testing.T) {
	s := startServer(t, people(ada, bob))
	a, b := browser(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	a.Hold(t)
	b.Ear().Loses(t, adaTone)
	a.Resume(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	a.Digit(t, "5")
	b.AwaitDigit(t, "5")
	hangUp(t, b, a)
}

// A browser's call goes on when the server is killed and started again.
func TestBrowserOverKill(t *testing.T) {
	s := startServer(t, people(ada, bob))
	a, b := browser(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.Signal(t, syscall.SIGKILL)
	<-s.Done()
	s.start(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.Await(t, wayTo(ada))
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}
