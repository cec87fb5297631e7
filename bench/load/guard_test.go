package load

import (
	"testing"
	"time"
)

// TestEncryptedStream: two sockets with keys by descriptions lose nothing either.
func TestEncryptedStream(t *testing.T) {
	for _, suite := range []*Suite{AESCM, AESGCM} {
		call, err := Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer call.Close()
		if call.guardA, err = newGuard(suite); err != nil {
			t.Fatal(err)
		}
		if call.guardB, err = newGuard(suite); err != nil {
			t.Fatal(err)
		}
		if tag, err := call.guardB.hear(description(call.A, PCMU, call.guardA, "7")); err != nil || tag != "7" {
			t.Fatalf("tag %q, %v", tag, err)
		}
		if _, err := call.guardA.hear(description(call.B, PCMU, call.guardB, "7")); err != nil {
			t.Fatal(err)
		}
		call.ToA, call.ToB = address(call.B), address(call.A)
		r, err := Stream(t.Context(), []Call{call}, 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sent == 0 || r.Received != r.Sent {
			t.Errorf("%s: sent %d, received %d", suite.Name, r.Sent, r.Received)
		}
	}
}
