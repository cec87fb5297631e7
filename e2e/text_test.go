package e2e

import (
	"strings"
	"testing"
	"time"
)

// greeting is in three scripts and out of the first plane of Unicode.
const greeting = "Grüße, 你好, مرحبا 👋"

// waitingText is a message as `tincan message list --json` lists it.
type waitingText struct {
	To    string    `json:"to"`
	From  string    `json:"from"`
	Bytes int       `json:"bytes"`
	Since time.Time `json:"since"`
}

func TestTextIsDelivered(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := linphone(t, s, ada), linphone(t, s, bob)
	a.SendText(t, bob, greeting)
	b.AwaitText(t, ada, greeting)
	b.SendText(t, ada, "und zurück")
	a.AwaitText(t, bob, "und zurück")
	if got := string(s.tincan(t, "message", "send", bob, greeting)); !strings.Contains(got, "has it") {
		t.Errorf("tincan message send says %q", got)
	}
	b.AwaitText(t, "tincan", greeting)
}

// TestTextWaitsForThePhone: what is sent to a phone that is off reaches it, once and
// in order, when it is switched on, though the server was killed meanwhile.
func TestTextWaitsForThePhone(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a := linphone(t, s, ada)
	trace := s.trace(t, ada)
	texts := []string{"one " + greeting, "two", "three"}
	for _, text := range texts {
		a.SendText(t, bob, text)
		trace.Await(t, "202 Accepted")
	}
	var list []waitingText
	s.list(t, &list, "message", "list")
	if len(list) != len(texts) || list[0].To != bob || list[0].From != "extension:"+ada || list[0].Bytes != len(texts[0]) {
		t.Errorf("waiting: %+v", list)
	}
	s.crash(t)
	b := linphone(t, s, bob)
	for _, text := range texts {
		b.AwaitText(t, ada, text)
	}
	a.SendText(t, bob, "four")
	b.AwaitText(t, ada, "four")
	list = nil
	s.list(t, &list, "message", "list")
	if len(list) != 0 {
		t.Errorf("still waiting: %+v", list)
	}
}
