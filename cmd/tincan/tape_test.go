package main

import (
	"testing"
	"testing/synctest"
)

// What is told late of a tape that was stopped does not touch the next one.
func TestTapeOverIsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tapes
		key := tape{"1", "record"}
		var late func()
		stopped := 0
		begin := func(over func()) (func(), error) {
			if late == nil {
				late = over
			}
			return func() { stopped++ }, nil
		}
		if err := all.begin(key, begin); err != nil {
			t.Fatal(err)
		}
		if all.begin(key, begin) == nil {
			t.Fatal("a second tape of a call began")
		}
		if err := all.stop(key); err != nil {
			t.Fatal(err)
		}
		if err := all.begin(key, begin); err != nil {
			t.Fatal(err)
		}
		late()
		synctest.Wait()
		if err := all.stop(key); err != nil || stopped != 2 {
			t.Errorf("the second tape: %v, stopped %d times", err, stopped)
		}
		late()
		synctest.Wait()
		if all.stop(key) == nil {
			t.Error("a tape that is over can be stopped")
		}
	})
}

// A tape may end while it begins.
func TestTapeOverWithinBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tapes
		key := tape{"1", "play"}
		if err := all.begin(key, func(over func()) (func(), error) { over(); return func() {}, nil }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if all.stop(key) == nil {
			t.Error("a tape that ended within begin is still there")
		}
	})
}
