package store

import "errors"

var (
	// ErrSpooled: the database is down; the job waits in memory and is written
	// when it is back. Whoever asked may go on.
	ErrSpooled = errors.New("store: the database is down; the write waits in memory")
	// ErrFull: a bound was reached (MaxQueue or MaxSpool); the job is dropped.
	ErrFull = errors.New("store: too many writes wait; this one is dropped")
	// ErrDown: the database cannot be written now.
	ErrDown = errors.New("store: the database is down")
	// ErrClosed: the store was closed before the job came.
	ErrClosed = errors.New("store: closed")
)

// State is what an Event tells of.
type State uint8

// The states of the database as the writer sees it.
const (
	Up    State = iota + 1 // it writes again; Event.Spooled jobs were caught up with
	Down                   // it does not write; Event.Err says why
	Spill                  // it is still down and the spool is full: jobs are being lost
)

func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	case Spill:
		return "spill"
	}
	return "unknown"
}

// Event is one change of state.
type Event struct {
	State   State
	Err     error // why, for Down and Spill
	Spooled int   // jobs that wait (Down, Spill) or were caught up with (Up)
}

// Status is how the writer does.
type Status struct {
	Down    bool   // the database does not write
	Err     string // why
	Queued  int    // jobs that wait for their turn
	Spooled int    // jobs that wait for the database
	Jobs    uint64 // jobs written
	Groups  uint64 // transactions they took
	Failed  uint64 // jobs refused for what they did themselves
	Lost    uint64 // jobs dropped at a bound, or spooled and refused later
}
