package presence

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/call"
)

func snapshot(state string, legs ...call.LegView) *call.Snapshot {
	return &call.Snapshot{ID: "c1", State: state, From: "extension:101", Number: "101", Name: "Ada", Dialled: "102", Legs: legs}
}

func TestDialogsOfACall(t *testing.T) {
	var changed []string
	c := NewCalls(func(e string) { changed = append(changed, e) })
	told := func() []string {
		slices.Sort(changed)
		out := changed
		changed = nil
		return out
	}
	a := call.LegView{ID: "a", Party: "extension:101", CalledIn: true, CallID: "x"}
	b := call.LegView{ID: "b", Party: "extension:102", CallID: "y", OurTag: "o"}
	c.Take(snapshot("dialling", a))
	if got := told(); !slices.Equal(got, []string{"101"}) {
		t.Errorf("changed %q", got)
	}
	c.Take(snapshot("dialling", a, b))
	a.Rang, b.Rang, b.TheirTag = true, true, "t"
	c.Take(snapshot("ringing", a, b))
	if got := told(); !slices.Equal(got, []string{"101", "102"}) {
		t.Errorf("changed %q", got)
	}
	want := []Dialog{{Call: "c1", ID: "b", Step: Ringing, Number: "101", Name: "Ada", CallID: "y", OurTag: "o", TheirTag: "t"}}
	if d := cmp.Diff(want, c.Dialogs("102")); d != "" {
		t.Error(d)
	}
	c.Take(snapshot("ringing", a, b))
	if got := told(); got != nil {
		t.Errorf("nothing changed, but %q", got)
	}
	a.Up, b.Up = true, true
	c.Take(snapshot("answered", a, b))
	want = []Dialog{{Call: "c1", ID: "a", Calling: true, Step: Answered, Number: "102", CallID: "x"}}
	if d := cmp.Diff(want, c.Dialogs("101")); d != "" {
		t.Error(d)
	}
	c.Take(snapshot("ended", a, b))
	c.Take(snapshot("ended", a, b))
	want[0].Step = Over
	if d := cmp.Diff(want, c.Dialogs("101")); d != "" {
		t.Error(d)
	}
	if got := told(); len(c.of) != 0 || len(c.in) != 0 || len(got) != 4 {
		t.Errorf("after the end: %v %v %q", c.of, c.in, got)
	}
}

// Begin must not bring a call back whose end came before it.
func TestBeginTakesNoEndedCall(t *testing.T) {
	c := NewCalls(func(string) {})
	a := call.LegView{ID: "a", Party: "extension:101", CalledIn: true}
	c.Begin(func() []call.Snapshot { return []call.Snapshot{*snapshot("ended", a)} })
	if got := c.Dialogs("101"); got != nil {
		t.Errorf("dialogs %v", got)
	}
}

func TestTrunksAreNoExtensions(t *testing.T) {
	c := NewCalls(func(string) {})
	s := snapshot("answered",
		call.LegView{ID: "a", Party: "extension:101", CalledIn: true, Up: true},
		call.LegView{ID: "b", Party: "trunk:load", Up: true})
	s.Dialled = "0049"
	c.Take(s)
	if got := c.Dialogs("101"); len(got) != 1 || got[0].Number != "0049" {
		t.Errorf("dialogs %+v", got)
	}
}
