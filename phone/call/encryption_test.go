package call

import (
	"testing"

	"tincan/phone/event"
)

// What is encrypted, and what is not though it was wanted, is in the snapshot and
// the record; the latter is an event.
func TestEncryptionIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var told []string
		s := w.x.cfg.Bus.Subscribe(func(e any) {
			if c, ok := e.(event.Call); ok && c.Step == "unencrypted" {
				told = append(told, c.Detail)
			}
		})
		a, b, c := w.dialled("rtp", "rtp", pcmu)
		a.encryption = "SDES AEAD_AES_128_GCM"
		b.encryption, b.unencrypted = "none, though wanted", true
		b.accept()
		settle()
		for i, want := range []string{a.encryption, b.encryption} {
			if got := c.Snapshot().Legs[i].Encryption; got != want {
				t.Errorf("leg %d is shown as %q", i, got)
			}
		}
		w.x.Hangup(c.ID(), Normal)
		settle()
		s.Close()
		if len(told) != 1 || told[0] != b.Info().Party {
			t.Errorf("told %q", told)
		}
		legs := w.ledger.records[c.ID()][0].Legs
		if legs[0].Encryption != a.encryption || legs[1].Encryption != b.encryption {
			t.Errorf("record %+v", legs)
		}
	})
}

// A caller whose media cannot be taken is refused with the reason, and recorded.
func TestBarredCaller(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.newLeg("a", "rtp", pcmu, true)
		why := Unencrypted.Why("it offers no encryption")
		w.x.Incoming(a, Setup{From: Party{Ref: "extension:1"}, Dialled: "x", Barred: &why})
		settle()
		var causes []string
		for _, list := range w.ledger.records {
			causes = append(causes, list[0].Cause)
		}
		if len(causes) != 1 || causes[0] != Unencrypted.Kind || len(a.hangups) != 1 || a.hangups[0] != why || len(w.dialledWith) != 0 {
			t.Errorf("%q, told %v", causes, a.hangups)
		}
	})
}

// The record says who ended a call: the server, where a party's media cannot be secured
// or finds no way.
func TestWhoEnded(t *testing.T) {
	for cause, want := range map[Cause][2]string{
		Normal:                            {"caller", "callee"},
		Timeout:                           {"caller", "callee"},
		Unencrypted.Why("another's key"):  {"server", "server"},
		MediaTimeout.Why("no way to you"): {"server", "server"},
	} {
		for side, by := range want {
			inWorld(t, func(t *testing.T, w *world) {
				a, b, c := w.dialled("rtp", "rtp", pcmu)
				b.accept()
				settle()
				[]*leg{a, b}[side].leave(cause)
				settle()
				if r := w.ledger.records[c.ID()][0]; r.EndedBy != by || r.Cause != cause.Kind {
					t.Errorf("%v of side %d: %s by %s, want %s", cause, side, r.Cause, r.EndedBy, by)
				}
			})
		}
	}
}
