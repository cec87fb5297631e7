package presence

import (
	"slices"
	"strings"
	"sync"

	"tincan/phone/call"
)

// Step is how far an extension's part in a call is.
type Step uint8

// The steps.
const (
	Trying   Step = iota // it dialled
	Ringing              // it rings, or hears that the other side does
	Answered             // it speaks
	Over
)

// Dialog is one device's part in a call.
type Dialog struct {
	Call    string // the call's ID
	ID      string // the leg's
	Calling bool   // it called; else it is called
	Step    Step
	Held    bool
	// Number and Name are the other party's; before an answer, what was dialled.
	Number, Name string
	// CallID and the tags name the dialog between us and the device, as whoever
	// picks it up must (RFC 3891).
	CallID, OurTag, TheirTag string
}

// Calls follows the calls of all extensions.
type Calls struct {
	changed func(extension string)

	mu   sync.Mutex          // guards what follows
	of   map[string][]part   // by call
	in   map[string][]string // calls by extension
	last map[string]Dialog   // the one that ended last, by extension
}

// part is an extension's dialog.
type part struct {
	extension string
	dialog    Dialog
}

// NewCalls makes a Calls that knows of none. changed is called for each extension
// whose dialogs changed.
func NewCalls(changed func(extension string)) *Calls {
	return &Calls{changed: changed, of: map[string][]part{}, in: map[string][]string{}, last: map[string]Dialog{}}
}

// Dialogs gives what an extension takes part in, and, where that is nothing, the
// dialog that ended last, if one did.
func (c *Calls) Dialogs(extension string) []Dialog {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Dialog
	for _, id := range c.in[extension] {
		for _, p := range c.of[id] {
			if p.extension == extension {
				out = append(out, p.dialog)
			}
		}
	}
	if last, ok := c.last[extension]; ok && len(out) == 0 {
		out = append(out, last)
	}
	return out
}

// Take notes a call as it is now. Its snapshots must come in order.
func (c *Calls) Take(s *call.Snapshot) {
	for _, extension := range c.take(s) {
		c.changed(extension)
	}
}

// Begin begins anew with all calls of this moment; what Take brings meanwhile
// waits.
func (c *Calls) Begin(all func() []call.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	for _, s := range all() {
		c.put(s.ID, parts(&s))
	}
}

// Clear forgets all, when nobody watches any more.
func (c *Calls) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
}

func (c *Calls) clear() {
	clear(c.of)
	clear(c.in)
	clear(c.last)
}

func (c *Calls) take(s *call.Snapshot) (changed []string) {
	now := parts(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.of[s.ID]
	if slices.Equal(before, now) {
		return nil
	}
	for _, p := range before {
		if !slices.Contains(now, p) && !slices.Contains(changed, p.extension) {
			changed = append(changed, p.extension)
		}
		if !has(now, p.dialog.ID) {
			p.dialog.Step = Over
			c.last[p.extension] = p.dialog
		}
	}
	for _, p := range now {
		if !slices.Contains(before, p) && !slices.Contains(changed, p.extension) {
			changed = append(changed, p.extension)
		}
	}
	c.put(s.ID, now)
	return changed
}

func has(list []part, leg string) bool {
	return slices.ContainsFunc(list, func(p part) bool { return p.dialog.ID == leg })
}

// put replaces the parts of a call. The caller holds mu.
func (c *Calls) put(id string, now []part) {
	for _, p := range c.of[id] {
		if !slices.ContainsFunc(now, func(n part) bool { return n.extension == p.extension }) {
			c.in[p.extension] = slices.DeleteFunc(c.in[p.extension], func(x string) bool { return x == id })
			if len(c.in[p.extension]) == 0 {
				delete(c.in, p.extension)
			}
		}
	}
	for _, p := range now {
		if !slices.Contains(c.in[p.extension], id) {
			c.in[p.extension] = append(c.in[p.extension], id)
		}
	}
	if c.of[id] = now; len(now) == 0 {
		delete(c.of, id)
	}
}

// parts are the extensions' dialogs of a call.
func parts(s *call.Snapshot) (out []part) {
	if s.State == "ended" {
		return nil
	}
	for i := range s.Legs {
		l := &s.Legs[i]
		extension, ok := strings.CutPrefix(l.Party, "extension:")
		if !ok || !l.CalledIn && !l.Rang && !l.Up {
			continue // a device that is called takes part once it rings
		}
		d := Dialog{
			Call: s.ID, ID: l.ID, Calling: l.CalledIn, Held: l.Held,
			CallID: l.CallID, OurTag: l.OurTag, TheirTag: l.TheirTag,
		}
		switch {
		case l.Up:
			d.Step = Answered
		case l.Rang:
			d.Step = Ringing
		}
		d.Number, d.Name = other(s, l)
		out = append(out, part{extension, d})
	}
	return out
}

// other says whom a leg speaks with.
func other(s *call.Snapshot, l *call.LegView) (number, name string) {
	for i := range s.Legs {
		o := &s.Legs[i]
		if o.ID == l.ID || !o.Up && !o.CalledIn {
			continue
		}
		if o.Party == s.From && o.CalledIn {
			return s.Number, s.Name
		}
		return numberOf(o.Party, s.Dialled), ""
	}
	if l.CalledIn {
		return s.Dialled, ""
	}
	return s.Number, s.Name
}

func numberOf(party, dialled string) string {
	if number, ok := strings.CutPrefix(party, "extension:"); ok {
		return number
	}
	return dialled
}
