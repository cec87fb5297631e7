package main

import (
	"testing"
	"time"

	"tincan/bench/load"
)

// TestCallsStandThroughTheBarePeer: the load's two parties meet through b2b, which
// leaves their media to them, so each sends straight to the other.
func TestCallsStandThroughTheBarePeer(t *testing.T) {
	l := &lab{folder: t.TempDir()}
	if err := l.buildPeers(); err != nil {
		t.Fatal(err)
	}
	own, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	server, err := b2b.start(l, setting{callee: own})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	calls, hangUp, err := stand(server, own, relayCalls, load.PCMU)
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp()
	stream, err := load.Stream(t.Context(), calls, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if stream.Received == 0 {
		t.Errorf("of %d packets none arrived", stream.Sent)
	}
}
