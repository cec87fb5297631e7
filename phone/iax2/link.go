package iax2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tincan/phone/directory"
	"tincan/phone/event"
)

// link is a trunk at work; it outlives changes of its settings. Its lock is taken
// after a session's.
type link struct {
	s    *Server
	name string

	mu        sync.Mutex // guards what follows
	trunk     *directory.Trunk
	in, out   int
	state     State
	since     time.Time
	trouble   string
	next      time.Time // of the registration, or the probe
	target    netip.AddrPort
	lag       time.Duration // there and back; 0: not known
	tries     int
	enrolling bool
	probing   bool
}

// State is how a trunk does, in the words of `tincan trunks`.
type State string

// The states.
const (
	Registering State = "registering"
	Registered  State = "registered"
	Waiting     State = "waiting"
	Refused     State = "refused"
	Here        State = "registered here"
	NotHere     State = "not registered here"
	Up          State = "up"
	Down        State = "down"
	NotWatched  State = "not watched"
)

// Status is a trunk for people.
type Status struct {
	Name   string
	State  string // one of those above
	Since  time.Time
	Target string // where it is, and how long an answer takes
	In     int    // calls at present
	Out    int
	Limit  int
	Error  string // of the last attempt, if it failed
	Next   time.Time
}

// links are the trunks by name.
type links struct {
	s  *Server
	mu sync.Mutex // guards of
	of map[string]*link
}

// get gives the link of a trunk.
func (ls *links) get(t *directory.Trunk) *link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	k := ls.of[t.Name]
	if k == nil {
		k = &link{s: ls.s, name: t.Name, trunk: t, state: NotWatched, since: time.Now()}
		ls.of[t.Name] = k
	}
	return k
}

func (ls *links) all() []*link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	list := make([]*link, 0, len(ls.of))
	for _, k := range ls.of {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b *link) int { return strings.Compare(a.name, b.name) })
	return list
}

// Reload takes what the directory says of trunks now.
func (s *Server) Reload() {
	snap := s.cfg.Directory.Snapshot()
	for _, t := range snap.Trunks() {
		if t.IAX2() {
			s.links.get(t).change(t)
		}
	}
	for _, k := range s.links.all() {
		if t, ok := snap.Trunk(k.name); !ok || !t.IAX2() {
			k.goodbye()
			s.links.mu.Lock()
			delete(s.links.of, k.name)
			s.links.mu.Unlock()
		}
	}
}

// change takes new settings.
func (k *link) change(t *directory.Trunk) {
	k.mu.Lock()
	before := k.trunk
	same := before.Register == t.Register && before.Address == t.Address && before.Username == t.Username &&
		before.Password() == t.Password() && before.Expires == t.Expires && before.Key == t.Key
	was := before != t && before.Register && !same && k.state == Registered
	k.trunk = t
	if !same || k.state == NotWatched {
		k.tries, k.next, k.state, k.trouble = 0, time.Time{}, NotWatched, ""
	}
	k.mu.Unlock()
	if was {
		k.enrol(before, 0)
	}
}

// enter counts a call; false if the trunk has as many as it may.
func (k *link) enter(in bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if limit := k.trunk.Limit; limit > 0 && k.in+k.out >= limit {
		return false
	}
	if in {
		k.in++
	} else {
		k.out++
	}
	return true
}

func (k *link) leave(in bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if in {
		k.in--
	} else {
		k.out--
	}
}

// set notes how the trunk does, and tells who listens of a change.
func (k *link) set(state State, trouble string) {
	k.mu.Lock()
	changed := k.state != state
	k.state, k.trouble = state, trouble
	if changed {
		k.since = time.Now()
	}
	k.mu.Unlock()
	if !changed {
		return
	}
	k.s.tell(event.Trunk{Time: time.Now(), Trunk: k.name, State: string(state), Detail: trouble})
	k.s.log.Info("iax2: trunk is "+string(state), "trunk", k.name, "detail", trouble)
}

// Times of registrations of ours.
const (
	retryLeast = 2 * time.Second
	retryMost  = 5 * time.Minute
	// refusedAgain is when a registrar that said no is asked once more.
	refusedAgain = time.Hour
	// silent is how long a trunk may leave a probe unanswered.
	silent = 8 * time.Second
)

// tick is called each second.
func (ls *links) tick(now time.Time) {
	for _, k := range ls.all() {
		k.mu.Lock()
		t := k.trunk
		due := !now.Before(k.next)
		enrol := t.Register && due && !k.enrolling
		probe := !t.Register && t.Accept != "register" && t.Qualify > 0 && due && !k.probing
		if enrol {
			k.enrolling = true
		}
		if probe {
			k.probing, k.next = true, now.Add(t.Qualify)
		}
		k.mu.Unlock()
		if enrol {
			if k.State() == NotWatched {
				k.set(Registering, "")
			}
			k.enrol(t, t.Expires)
		}
		if probe {
			k.probe(t)
		}
	}
}

// State is how the trunk does.
func (k *link) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// goodbyeLooks is how often Unregister looks whether all is said.
const goodbyeLooks = 20 * time.Millisecond

// Unregister says goodbye where we are registered, and waits until that and the ends of
// calls are acknowledged, or ctx ends.
func (s *Server) Unregister(ctx context.Context) {
	for _, k := range s.links.all() {
		k.goodbye()
	}
	tick := time.NewTicker(goodbyeLooks)
	defer tick.Stop()
	for s.busy() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// busy tells whether a registration of ours is being changed, or a peer has not
// acknowledged our last word.
func (s *Server) busy() bool {
	return slices.ContainsFunc(s.sessions.all(), func(x *session) bool {
		x.mu.Lock()
		defer x.unlock()
		_, ok := x.party.(*enrolment)
		return ok || x.leaving
	})
}

func (k *link) goodbye() {
	k.mu.Lock()
	t := k.trunk
	there := k.state == Registered
	k.mu.Unlock()
	if there {
		k.enrol(t, 0)
	}
}

// Trunks tells how the trunks do that speak IAX2.
func (s *Server) Trunks() (list []Status) {
	for _, k := range s.links.all() {
		k.mu.Lock()
		st := Status{Name: k.name, State: string(k.state), Since: k.since, In: k.in, Out: k.out, Limit: k.trunk.Limit, Error: k.trouble}
		if k.target.IsValid() {
			st.Target = "iax2 " + k.target.String()
			if k.lag > 0 {
				st.Target += fmt.Sprintf(", %d ms", max(k.lag.Milliseconds(), 1))
			}
		}
		if k.state == Waiting || k.state == Refused {
			st.Next = k.next
		}
		t := k.trunk
		k.mu.Unlock()
		if t.Accept == "register" {
			st.State = string(NotHere)
			if b, ok := s.latest(t.Ref()); ok {
				st.State, st.Since, st.Target = string(Here), b.Updated, "iax2 "+b.Received.String()
			}
		}
		list = append(list, st)
	}
	return list
}
