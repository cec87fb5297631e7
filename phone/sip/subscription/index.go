package subscription

import (
	"container/heap"
	"slices"
)

// add makes a subscription known. The caller holds mu.
func (m *Manager) add(s *sub) {
	m.subs[s.tag] = s
	m.count.Add(1)
	if m.events[s.Event]++; m.events[s.Event] == 1 {
		m.cfg.Watched(s.Event, true)
	}
	m.watchers[s.Watcher]++
	m.devices[s.Device]++
	m.index(s)
	m.fix(s)
}

func (m *Manager) index(s *sub) {
	for _, name := range s.names() {
		r := resource{s.Event, name}
		m.watching[r] = append(m.watching[r], s)
	}
}

func (m *Manager) unindex(s *sub) {
	for _, name := range s.names() {
		r := resource{s.Event, name}
		list := m.watching[r]
		if i := slices.Index(list, s); i >= 0 {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
		}
		if m.watching[r] = list; len(list) == 0 {
			delete(m.watching, r)
		}
	}
}

// names are the resources that a subscription hears of. A list's own name is among
// them.
func (s *sub) names() []string {
	if s.List {
		return append([]string{s.Resource}, s.Members...)
	}
	return []string{s.Resource}
}

// remove takes a subscription away. The caller holds mu.
func (m *Manager) remove(s *sub) {
	if m.subs[s.tag] != s {
		return
	}
	delete(m.subs, s.tag)
	m.count.Add(-1)
	if less(m.events, s.Event) {
		m.cfg.Watched(s.Event, false)
	}
	less(m.watchers, s.Watcher)
	less(m.devices, s.Device)
	m.find(s)
	m.unindex(s)
	if s.heapAt >= 0 {
		heap.Remove(&m.due, s.heapAt)
	}
	if s.written {
		m.forget(s.tag)
	}
}

// less counts one down and reports whether none is left.
func less(counts map[string]int, key string) bool {
	if counts[key]--; counts[key] > 0 {
		return false
	}
	delete(counts, key)
	return true
}

// lose notes that there is no way to the device until it registers; find that
// there is. The caller holds mu.
func (m *Manager) lose(s *sub) {
	s.lost = true
	if m.lost[s.Watcher] == nil {
		m.lost[s.Watcher] = map[*sub]struct{}{}
	}
	m.lost[s.Watcher][s] = struct{}{}
}

func (m *Manager) find(s *sub) {
	if !s.lost {
		return
	}
	s.lost = false
	if delete(m.lost[s.Watcher], s); len(m.lost[s.Watcher]) == 0 {
		delete(m.lost, s.Watcher)
	}
}
