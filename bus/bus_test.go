package bus

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestEverySubscriberHearsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bus
		b.Publish("nobody")
		if b.Listened() {
			t.Error("nobody listens")
		}
		var one, two []any
		s := b.Subscribe(func(e any) { one = append(one, e) })
		r := b.Subscribe(func(e any) { two = append(two, e) })
		for i := range 3 {
			b.Publish(i)
		}
		synctest.Wait()
		s.Close()
		s.Close()
		b.Publish("late")
		synctest.Wait()
		r.Close()
		if b.Listened() {
			t.Error("both are closed")
		}
		if d := cmp.Diff([]any{0, 1, 2}, one); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]any{0, 1, 2, "late"}, two); d != "" {
			t.Error(d)
		}
	})
}

// Who is too slow loses events, counted; nobody else does, and nobody waits.
func TestSlowSubscriberLosesItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bus
		hold := make(chan struct{})
		slow := b.Subscribe(func(any) { <-hold })
		heard := 0
		quick := b.Subscribe(func(any) { heard++ })
		const n = QueueSize + 100
		for range n {
			b.Publish(1)
			synctest.Wait()
		}
		if heard != n || quick.Dropped() != 0 {
			t.Errorf("the quick one heard %d of %d", heard, n)
		}
		if got := slow.Dropped(); got != n-QueueSize-1 { // one is being handled
			t.Errorf("the slow one lost %d, want %d", got, n-QueueSize-1)
		}
		close(hold)
		slow.Close()
		quick.Close()
	})
}
