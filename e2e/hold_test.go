package e2e

import "testing"

// TestHoldAndResume: the one who holds is a linphone, whose recorder outlives a
// hold; the server answers the hold itself, so the held phone sees none.
func TestHoldAndResume(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := linphone(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	a.Hold(t)
	b.Ear().HearsNot(t, adaTone)
	a.Resume(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

func TestHoldByTheCalled(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), linphone(t, s, bob)
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	b.Hold(t)
	a.Ear().HearsNot(t, bobTone)
	b.Resume(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, b, a)
}
