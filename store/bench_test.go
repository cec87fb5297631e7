package store_test

import (
	"fmt"
	"sync"
	"testing"

	"tincan/store"
)

// BenchmarkWriteAlone is the cost of a write with no company, which is the rule
// up to some hundreds a second.
func BenchmarkWriteAlone(b *testing.B) {
	s := bench(b)
	done := make(chan error, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Write(upsert(i%1000), func(err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteTogether is the cost of a write among many.
func BenchmarkWriteTogether(b *testing.B) {
	s := bench(b)
	var wait sync.WaitGroup
	slots := make(chan struct{}, store.MaxQueue/2)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		slots <- struct{}{}
		wait.Add(1)
		s.Write(upsert(i%1000), func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
			wait.Done()
		})
	}
	wait.Wait()
}

func bench(b *testing.B) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(b.Context()) })
	if err := s.Migrate(b.Context(), "note", notes); err != nil {
		b.Fatal(err)
	}
	return s
}

func upsert(i int) store.Job {
	id := fmt.Sprint("n", i)
	return func(tx *store.Tx) error {
		_, err := tx.Exec("INSERT INTO note (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body", id, []byte("some hundred bytes of what a phone sent us in its registration, more or less; say a contact and so on"))
		return err
	}
}
