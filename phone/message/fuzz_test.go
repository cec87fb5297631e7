package message

import (
	"context"
	"log/slog"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tincan/store"
)

// FuzzWaiting: what waits comes back from the table as it was, whatever a stranger
// wrote into it. Texts are UTF-8, as SIP's headers are (RFC 3261 25.1).
func FuzzWaiting(f *testing.F) {
	f.Add("101", "Ada", "Subject", "lunch; \"now\"", "text/plain;charset=utf-8", []byte("hello"), int64(1))
	f.Add("", "", "", "", "", []byte(nil), int64(0))
	f.Add("10'1", "A\x00da", "X", "\u2028<>&", "a/b", []byte{0, 255, 10}, int64(1<<50))
	s, err := store.Open(f.Context(), f.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close(context.Background()) })
	if err := Migrate(f.Context(), s); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to, name, header, value, kind string, body []byte, place int64) {
		if !utf8.ValidString(header) || !utf8.ValidString(value) {
			t.Skip()
		}
		w := &Waiting{place: place, Message: Message{
			ID: "m", From: "extension:101", Number: to, Name: name, To: to, Type: kind, Body: body,
			Headers: map[string]string{header: value}, Expires: time.UnixMicro(place),
		}}
		if err := s.Update(t.Context(), put(w)); err != nil {
			t.Fatal(err)
		}
		all, err := List(t.Context(), s, 1)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d came back, %v", len(all), err)
		}
		w.Sent = time.UnixMicro(place)
		if d := cmp.Diff(*w, all[0], cmp.AllowUnexported(Waiting{}), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("(-kept +came back)\n%s", d)
		}
		if err := s.Update(t.Context(), drop(place)); err != nil {
			t.Fatal(err)
		}
	})
}
