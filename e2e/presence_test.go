package e2e

import (
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// watches makes a phone watch another's presence; a linphone publishes its own.
func watches(number string) func(*peer.Account) {
	return func(a *peer.Account) { a.Buddy = number }
}

// TestPresence: each phone sees the other come, speak and go.
func TestPresence(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a := linphone(t, s, ada, watches(bob))
	b := linphone(t, s, bob, watches(ada))
	a.AwaitBuddy(t, "Online")
	b.AwaitBuddy(t, "Online")
	b.Send(t, "quit")
	a.AwaitBuddy(t, "Offline")
}

// TestPresenceOfOtherMakes: a phone that publishes nothing is there while it is
// registered, and a baresip watches it.
func TestPresenceOfOtherMakes(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve))
	trace := s.trace(t, ada)
	a := baresip(t, s, ada, watches(bob))
	trace.Await(t, "<basic>closed</basic>")
	b := baresip(t, s, bob)
	a.AwaitBuddy(t, "Online")
	c := baresip(t, s, eve)
	connect(t, b, c, eve)
	a.AwaitBuddy(t, "Busy")
	hangUp(t, b, c)
	a.AwaitBuddy(t, "Online")
	b.Stop()
	a.AwaitBuddy(t, "Offline")
}

// TestMailboxLamp: a baresip subscribes to its mailbox, which is empty.
func TestMailboxLamp(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada))
	a := baresip(t, s, ada)
	if got := a.AwaitMailbox(t); !strings.Contains(got, "Messages-Waiting: no") || !strings.Contains(got, "0/0") {
		t.Errorf("the phone was told %q", got)
	}
}

// TestPresenceOutlivesAKill: phones that have subscribed are told again, without
// asking, what changed while the server was down, and what changes after.
func TestPresenceOutlivesAKill(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, people(ada, bob))
			a := linphone(t, s, ada, watches(bob), by(s, transport))
			// Over UDP: a linphone whose connection is refused while the server starts
			// does not say any more that it goes.
			b := linphone(t, s, bob, watches(ada))
			a.AwaitBuddy(t, "Online")
			b.AwaitBuddy(t, "Online")
			s.crash(t)
			b.Send(t, "quit")
			a.AwaitBuddy(t, "Offline")
		})
	}
}
