package e2e

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// record is a call that ended, as `tincan records --json` lists it.
type record struct {
	From    string    `json:"from"`
	To      string    `json:"to"`
	Answer  time.Time `json:"answer"`
	Cause   string    `json:"cause"`
	Detail  string    `json:"detail"`
	EndedBy string    `json:"ended_by"`
	Legs    []struct {
		CallID     string `json:"call_id"`
		Codec      string `json:"codec"`
		PacketsIn  uint64 `json:"packets_in"`
		PacketsOut uint64 `json:"packets_out"`
		Lost       uint64 `json:"lost"`
	} `json:"legs"`
}

// mostRecords is the most that one answer holds.
const mostRecords = 1000

// records are the calls that ended, the latest first.
func (s *server) records(t *testing.T) []record {
	t.Helper()
	var list []record
	s.list(t, &list, "records", "--limit", strconv.Itoa(mostRecords))
	return list
}

// awaitRecord waits until a call to a party has ended.
func (s *server) awaitRecord(t *testing.T, to string) {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * readyPoll)
	defer ticker.Stop()
	for !slices.ContainsFunc(s.records(t), func(r record) bool { return r.To == to }) {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("no call to %s is recorded", to)
		}
	}
}

// onlyRecord is the record of the one call there was.
func (s *server) onlyRecord(t *testing.T) record {
	t.Helper()
	s.awaitNoCalls(t)
	list := s.records(t)
	if len(list) != 1 {
		t.Fatalf("%d records, want 1: %+v", len(list), list)
	}
	return list[0]
}

// wantRecord compares a record with an answered call between two extensions,
// and by whom and why it was ended.
func wantRecord(t *testing.T, got record, from, to, cause, endedBy string) {
	t.Helper()
	want := [4]string{"extension:" + from, "extension:" + to, cause, endedBy}
	if said := [4]string{got.From, got.To, got.Cause, got.EndedBy}; said != want {
		t.Errorf("the record says %q, want %q", said, want)
	}
	if got.Answer.IsZero() || len(got.Legs) != 2 {
		t.Errorf("the record shows no answered call of two legs: %+v", got)
	}
}
