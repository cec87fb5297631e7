package conference

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/bus"
	"tincan/phone/media"
)

func house(t *testing.T) *Rooms {
	t.Helper()
	e, err := media.NewEngine(media.Config{First: 40000, Last: 40003, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return New(e, &bus.Bus{})
}

func TestRoomsComeAndGo(t *testing.T) {
	r := house(t)
	a, others, err := r.Enter("lounge", "call-1")
	if err != nil || others != 0 {
		t.Fatal(others, err)
	}
	b, others, err := r.Enter("lounge", "call-2")
	if err != nil || others != 1 {
		t.Fatal(others, err)
	}
	c, _, err := r.Enter("lab", "call-3")
	if err != nil {
		t.Fatal(err)
	}
	want := []Room{{"lab", []string{"call-3"}}, {"lounge", []string{"call-1", "call-2"}}}
	if d := cmp.Diff(want, r.List()); d != "" {
		t.Error(d)
	}
	var over sync.WaitGroup
	over.Add(1)
	tap := media.Tap{Rate: 8000, Take: func([]int16) {}}
	if _, err := r.Tap("lounge", tap, over.Done); err != nil {
		t.Fatal(err)
	}
	stop, err := r.Tap("lounge", tap, func() { t.Error("told although it was removed") })
	if err != nil {
		t.Fatal(err)
	}
	stop()
	a.Leave()
	a.Leave() // again does nothing
	b.Leave()
	over.Wait()
	c.Leave()
	if left := r.List(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := r.Tap("lounge", tap, nil); err == nil {
		t.Error("an empty room is heard")
	}
	if d, others, err := r.Enter("lounge", "call-4"); err != nil || others != 0 {
		t.Errorf("%d are in a room that was empty, %v", others, err)
	} else {
		d.Leave()
	}
}

func TestRoomsAreBounded(t *testing.T) {
	r := house(t)
	var in []*Member
	for i := range MaxRooms {
		m, _, err := r.Enter(fmt.Sprint(i), "call")
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, m)
	}
	if _, _, err := r.Enter("one more", "call"); !errors.Is(err, ErrFull) {
		t.Errorf("room %d: %v", MaxRooms+1, err)
	}
	for i := range MaxSeats - 1 {
		m, _, err := r.Enter("0", fmt.Sprint("call-", i))
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, m)
	}
	if _, _, err := r.Enter("0", "one more"); !errors.Is(err, ErrFull) {
		t.Errorf("seat %d: %v", MaxSeats+1, err)
	}
	for _, m := range in {
		m.Leave()
	}
}
