package e2e

import (
	"testing"

	"tincan/e2e/peer"
)

// Who refers a call is a phone that others wrote; the two others, who need not
// know how, then hear each other.

func TestBlindTransferByTheCaller(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b, c := baresip(t, s, ada), linphone(t, s, bob), baresip(t, s, eve)
	connect(t, a, b, bob)
	a.Transfer(t, s.uri(eve))
	handedOver(t, a, b, c)
}

func TestBlindTransferByTheCalled(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b, c := baresip(t, s, ada), linphone(t, s, bob), baresip(t, s, eve)
	connect(t, a, b, bob)
	b.Transfer(t, s.uri(eve))
	c.AwaitIncoming(t)
	c.Answer(t)
	c.AwaitEstablished(t)
	hearEachOther(t, a, adaTone, c, eveTone)
	b.AwaitClosed(t)
	hangUp(t, c, a)
}

// Nobody can be reached: the first two go on. (A baresip would hang up.)
func TestBlindTransferToNobody(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b := linphone(t, s, ada), baresip(t, s, bob)
	connect(t, a, b, bob)
	a.Transfer(t, s.uri(eve))
	s.awaitRecord(t, "extension:103")
	hearEachOther(t, a, adaTone, b, bobTone)
	hangUp(t, a, b)
}

// Ada asks Eve before she hands Bob over.
func TestAttendedTransfer(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b, c := linphone(t, s, ada), baresip(t, s, bob), baresip(t, s, eve)
	connect(t, a, b, bob)
	a.Hold(t)
	connect(t, a, c, eve)
	a.TransferTo(t, 1, 2)
	hearEachOther(t, b, bobTone, c, eveTone)
	a.AwaitClosed(t)
	hangUp(t, b, c)
}

func TestTransferToAnApplication(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), linphone(t, s, bob)
	connect(t, a, b, bob)
	a.Transfer(t, s.uri("*43"))
	b.Ear().Hears(t, bobTone) // his own echo
	a.AwaitClosed(t)
	b.Hangup(t)
}

// handedOver: c answers and hears b; a is out of it.
func handedOver(t *testing.T, a, b, c peer.Phone) {
	t.Helper()
	c.AwaitIncoming(t)
	c.Answer(t)
	c.AwaitEstablished(t)
	hearEachOther(t, b, bobTone, c, eveTone)
	a.AwaitClosed(t)
	hangUp(t, b, c)
}

// Ada hands Bob over while Eve's phone rings still: he waits, and she answers him.
func TestTransferBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	a, b, c := linphone(t, s, ada), baresip(t, s, bob), baresip(t, s, eve)
	connect(t, a, b, bob)
	a.Hold(t)
	a.Dial(t, eve)
	c.AwaitIncoming(t)
	a.AwaitRinging(t)
	a.TransferTo(t, 1, 2)
	a.AwaitClosed(t)
	c.Answer(t)
	c.AwaitEstablished(t)
	hearEachOther(t, b, bobTone, c, eveTone)
	hangUp(t, c, b)
	s.awaitNoCalls(t)
}
