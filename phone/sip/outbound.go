package sip

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/sip/transport"
)

// Several flows of one phone (RFC 5626), a way back through proxies (RFC 3327).
//
//	REGISTER instance A, reg-id 1 ─┐
//	REGISTER instance A, reg-id 2 ─┴─ one device: called by its youngest flow;
//	                                  if that fails, by the next
//	REGISTER Path: <sip:edge;lr>  ──  Route of every request to the device

// flowTimer is what phones are told of how often to show that a flow lives (RFC
// 5626 5.4): within the time after which NATs forget a TCP connection.
const flowTimer = 120 * time.Second

// Bounds of Path: proxies between a phone and us, and the length of one's URI.
const (
	maxPath    = 8
	maxPathURI = 512
)

// pathOf reads Path; ok is false if it is more than we keep.
func pathOf(req *wire.Request) (path []string, ok bool) {
	for _, h := range req.GetHeaders("Path") {
		for _, v := range listed(h.Value()) {
			if len(path) == maxPath || len(v) > maxPathURI {
				return nil, false
			}
			path = append(path, v)
		}
	}
	return path, true
}

// by sends a request outside of any dialog by a Path.
func by(req *wire.Request, path []string) {
	for _, r := range slices.Backward(path) {
		req.PrependHeader(wire.NewHeader("Route", r))
	}
}

// outbound reports whether a registration is one flow of several (RFC 5626 6).
func outbound(req *wire.Request, b *directory.Binding) bool {
	return b.RegID > 0 && slices.Contains(tokens(req, "Supported", "k"), "outbound") &&
		(len(b.Path) == 0 || strings.Contains(b.Path[0], ";ob"))
}

// flows groups what is registered by device, each device's youngest flow first and
// those that are doubted last. only, if not empty, is the one instance that is meant.
func flows(bindings []directory.Binding, now time.Time, only string, doubted func(*directory.Binding, time.Time) bool) (devices [][]directory.Binding) {
	of := map[string]int{}
	for _, b := range bindings {
		if !b.Expires.After(now) || only != "" && bare(b.Instance) != only {
			continue
		}
		i, known := of[b.Instance]
		if b.RegID == 0 || !known {
			of[b.Instance] = len(devices)
			devices = append(devices, []directory.Binding{b})
			continue
		}
		devices[i] = append(devices[i], b)
	}
	for _, d := range devices {
		if len(d) < 2 {
			continue
		}
		last := map[string]int{}
		for i := range d {
			if doubted(&d[i], now) {
				last[d[i].Key()] = 1
			}
		}
		slices.SortStableFunc(d, func(a, b directory.Binding) int {
			return cmp.Or(cmp.Compare(last[a.Key()], last[b.Key()]), b.Updated.Compare(a.Updated))
		})
	}
	return devices
}

// bare is an instance without its brackets.
func bare(instance string) string { return strings.TrimSuffix(strings.TrimPrefix(instance, "<"), ">") }

// redial calls a device by its next flow; false if there is none left. Called
// without mu held.
type redial func() bool

// byFlow calls a device by the first of its flows, and sets how the next is tried.
func (l *leg) byFlow(flows []directory.Binding, offer media.Description, set call.Setup) error {
	b := flows[0]
	var target wire.Uri
	if err := wire.ParseUri(b.Contact, &target); err != nil {
		return err
	}
	l.mu.Lock()
	l.target, l.key, l.heard, l.name = target, b.Key(), b.Updated, b.Contact
	l.routes, l.fixed, l.remoteTag = b.Path, b.Path, ""
	l.another = nil
	if rest := flows[1:]; len(rest) > 0 {
		l.another = func() bool { return l.byFlow(rest, offer, set) == nil }
	}
	l.mu.Unlock()
	l.s.wake(b, func(b directory.Binding) {
		l.s.flow(&b, func(p transport.Path, err error) { l.ring(p, err, offer, set) })
	})
	return nil
}

// goesOn tries the next flow after one failed (RFC 5626 5.3). Called with mu held.
func (l *leg) goesOn() bool {
	next := l.another
	if next == nil || l.stage != early {
		return false
	}
	l.another, l.client = nil, nil
	go func() {
		if !next() {
			l.ring(transport.Path{}, errNoFlow, media.Description{}, call.Setup{})
		}
	}()
	return true
}

// moved sees to the calls of a phone that registers from elsewhere: they go where
// it is now, and their media are agreed anew, for those moved with it.
func (s *Server) moved(b *directory.Binding) {
	s.mu.Lock()
	var calls []*leg
	for _, l := range s.legs {
		calls = append(calls, l)
	}
	s.mu.Unlock()
	for _, l := range calls {
		l.mu.Lock()
		if l.stage == up && l.key == b.Key() && strings.TrimPrefix(l.party, "extension:") == b.Extension {
			l.renewMedia()
		}
		l.mu.Unlock()
	}
}

// renewMedia offers what stands once more, to hear where the party takes it now.
// Called with mu held.
func (l *leg) renewMedia() {
	l.follow()
	l.anewICE()
	l.gathered(l.reofferMedia)
}

// reofferMedia is renewMedia once our candidates are known. Called with mu held.
func (l *leg) reofferMedia() {
	l.reoffer(l.ours, func(res *wire.Response, err error) {
		if res == nil && err != nil || res != nil && (res.StatusCode == 481 || res.StatusCode == 408) {
			go l.fail(call.Timeout.Why("the phone registers from elsewhere and does not answer there"))
			return
		}
		l.post(call.Changed{Leg: l})
	})
}

// showFlows adds to the 200 what the phone should know: its way back, that
// several flows are kept, how often to show life.
func (s *Server) showFlows(res *wire.Response, req *wire.Request, put []directory.Binding) {
	for _, h := range req.GetHeaders("Path") {
		res.AppendHeader(wire.NewHeader("Path", h.Value()))
	}
	res.AppendHeader(wire.NewHeader("Supported", "path, outbound, gruu"))
	if slices.ContainsFunc(put, func(b directory.Binding) bool { return outbound(req, &b) }) {
		res.AppendHeader(wire.NewHeader("Require", "outbound"))
		res.AppendHeader(wire.NewHeader("Flow-Timer", strconv.Itoa(int(flowTimer/time.Second))))
	}
	if via := res.Via(); via != nil && via.Params.Has("keep") { // RFC 6223
		via.Params.Remove("keep")
		via.Params.Add("keep", strconv.Itoa(int(flowTimer/time.Second)))
	}
}

// keepsAlive reports whether a STUN request to our SIP port is a phone's keep-alive
// (RFC 5626 4.4.2), and so answered: strangers get nothing.
func (s *Server) keepsAlive(from netip.AddrPort) bool {
	ext, ok := s.cfg.Bindings.Source(from, string(transport.UDP))
	return ok && ext != ""
}
