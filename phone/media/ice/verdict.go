package ice

import (
	"fmt"
	"strings"

	"tincan/phone/media"
)

// namedAddresses bounds how many of a party's addresses a verdict lists.
const namedAddresses = 4

// Lost says why media has no way to the party, when it never had one, to whoever
// waits for media in vain and gives up before ICE does; "": it has.
func (s *Socket) Lost() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil || s.off || s.adopted || s.parts[0].by != nil || s.now.agents[0] == nil {
		return ""
	}
	return s.verdict(s.now.agents[0], true)
}

// verdict says why an agent found no way, or lost it. Called with the socket's mu
// held.
func (s *Socket) verdict(a *agent, never bool) string {
	if !never {
		return fmt.Sprintf("the way to the phone is gone: it has not answered for %d s; its network changed, or it is off",
			int((disconnected + failed).Seconds()))
	}
	a.mu.Lock()
	heard, relayed := a.heard, a.relayed
	a.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "no way to the phone was found in %d s: ", int((disconnected + failed).Seconds()))
	tried := addresses(s.now.remote, a.component())
	switch {
	case heard.IsValid():
		fmt.Fprintf(&b, "its checks arrive from %s, but it answers none of ours there", heard)
	case len(tried) == 0:
		b.WriteString("it named no address that can be tried, and none of its checks arrived here")
	default:
		fmt.Fprintf(&b, "%s did not answer, and none of its checks arrived here", strings.Join(tried, ", "))
	}
	switch {
	case len(s.host.turn) > 0 && !relayed && !s.host.config.Lite:
		fmt.Fprintf(&b, "; no TURN server gave a relay (%s)", strings.Join(s.host.config.Turn, ", "))
	case len(s.host.turn) == 0 && !heard.IsValid():
		b.WriteString("; a firewall may drop UDP on the way: a TURN server would help ([ice] turn)")
	}
	return b.String()
}

// addresses lists those that a party named, and how many more there are.
func addresses(remote *media.ICE, component uint16) (out []string) {
	if remote == nil {
		return nil
	}
	more := 0
	for i := range remote.Candidates {
		c := &remote.Candidates[i]
		at, ok := c.Addr()
		switch {
		case !ok || c.Component != component || c.Transport != "udp":
		case len(out) == namedAddresses:
			more++
		default:
			out = append(out, at.String())
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return out
}
