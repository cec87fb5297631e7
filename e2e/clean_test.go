package e2e

import (
	"fmt"
	"testing"

	"tincan/e2e/peer"
)

// A phone whose loudspeaker is beside its microphone is heard to echo, unless it
// has an extension whose echo is taken out.
func TestEchoOfAPhone(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{false, true} {
		t.Run(fmt.Sprintf("clean %v", clean), func(t *testing.T) {
			t.Parallel()
			space := people(ada, bob)
			if clean {
				space += "clean = [\"echo\"]\n" // bob's
			}
			s := startServer(t, space)
			a := baresip(t, s, ada)
			b := baresip(t, s, bob, func(a *peer.Account) { a.Echoes = true })
			connect(t, a, b, bob)
			b.Ear().Hears(t, adaTone)
			if clean {
				a.Ear().Loses(t, adaTone)
			} else {
				a.Ear().Hears(t, adaTone)
			}
			hangUp(t, a, b)
		})
	}
}
