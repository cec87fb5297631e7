package sip

import (
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
)

// minSessionExpires is the shortest session interval in seconds (RFC 4028 4).
const minSessionExpires = 90

// sessionTimer notices a party that is gone without a BYE: one side refreshes
// at half the interval, the other hangs up when no refresh comes. The leg's
// mutex guards it.
type sessionTimer struct {
	seconds int  // 0: no session timer
	ours    bool // we refresh
	wanted  int  // what the caller's INVITE asked for
	theirs  bool // who calls in wants to refresh itself
	timer   *time.Timer
}

// asked notes what a caller's INVITE says, or refuses a too short interval
// with 422.
func (t *sessionTimer) asked(s *Server, req *wire.Request) *wire.Response {
	seconds, refresher := parseExpires(header(req, "Session-Expires", "x"))
	if seconds == 0 {
		return nil
	}
	if seconds < minSessionExpires {
		res := s.reply(req, 422, "Session Interval Too Small")
		res.AppendHeader(wire.NewHeader("Min-SE", itoa(minSessionExpires)))
		return res
	}
	if hasTimer(req) {
		t.wanted, t.theirs = seconds, refresher != "uas"
	}
	return nil
}

func hasTimer(m wire.Message) bool {
	for _, tag := range tokens(m, "Supported", "k") {
		if tag == "timer" {
			return true
		}
	}
	for _, tag := range tokens(m, "Require", "") {
		if tag == "timer" {
			return true
		}
	}
	return false
}

func parseExpires(v string) (seconds int, refresher string) {
	v, params, _ := strings.Cut(v, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31) // as a Duration it must not overflow
	if err != nil {
		return 0, ""
	}
	for _, p := range strings.Split(params, ";") {
		if k, r, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(k, "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(r))
		}
	}
	return int(n), refresher
}

// agree answers what the INVITE asked for, and starts. The caller refreshes
// unless it wants us to.
func (t *sessionTimer) agree(l *leg, res *wire.Response) {
	res.AppendHeader(wire.NewHeader("Supported", tags))
	if t.wanted == 0 {
		t.unsaid(l)
		return
	}
	refresher := "uas"
	if t.theirs {
		refresher = "uac"
		res.AppendHeader(wire.NewHeader("Require", "timer"))
	}
	res.AppendHeader(wire.NewHeader("Session-Expires", itoa(t.wanted)+";refresher="+refresher))
	t.set(l, t.wanted, !t.theirs)
}

// propose asks for a session timer in our INVITE.
func (t *sessionTimer) propose(req *wire.Request, interval time.Duration, minSE int) {
	req.AppendHeader(wire.NewHeader("Supported", tags))
	if interval == 0 {
		return
	}
	req.AppendHeader(wire.NewHeader("Session-Expires", itoa(max(int(interval/time.Second), minSE))))
	req.AppendHeader(wire.NewHeader("Min-SE", itoa(minSE)))
}

// keep repeats in a refresh what stands.
func (t *sessionTimer) keep(req *wire.Request) {
	req.AppendHeader(wire.NewHeader("Supported", tags))
	if t.seconds > 0 {
		refresher := "uas"
		if t.ours {
			refresher = "uac"
		}
		req.AppendHeader(wire.NewHeader("Session-Expires", itoa(t.seconds)+";refresher="+refresher))
	}
}

// agreed starts what the answer to our INVITE or refresh says.
func (t *sessionTimer) agreed(l *leg, res *wire.Response) {
	seconds, refresher := parseExpires(header(res, "Session-Expires", "x"))
	if seconds == 0 {
		t.unsaid(l)
		return
	}
	t.set(l, max(seconds, minSessionExpires), refresher != "uas")
}

// refreshed answers the party's re-INVITE or UPDATE.
func (t *sessionTimer) refreshed(l *leg, req *wire.Request, res *wire.Response) {
	seconds, refresher := parseExpires(header(req, "Session-Expires", "x"))
	switch {
	case seconds >= minSessionExpires:
		t.wanted, t.theirs = seconds, refresher != "uas"
	case t.seconds == 0:
		return
	default: // the party has forgotten the timer and will not refresh again: we do
		t.wanted, t.theirs = t.seconds, false
	}
	t.agree(l, res)
}

func (t *sessionTimer) set(l *leg, seconds int, ours bool) {
	t.seconds, t.ours = seconds, ours
	t.rearm(l)
}

// rearm waits for half the interval if we refresh, else until shortly before
// its end (RFC 4028 10).
func (t *sessionTimer) rearm(l *leg) {
	t.stop()
	if t.seconds == 0 {
		t.unsaid(l)
		return
	}
	whole := time.Duration(t.seconds) * time.Second
	if t.ours {
		t.timer = time.AfterFunc(whole/2, l.refresh)
		return
	}
	t.timer = time.AfterFunc(whole-min(32*time.Second, whole/3), func() {
		l.fail(call.Timeout.Why("the party stopped refreshing its session"))
	})
}

func (t *sessionTimer) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// refresh sends a sign of life: UPDATE where the party takes it, else a
// re-INVITE with what stands.
func (l *leg) refresh() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != up {
		return
	}
	if strings.Contains(strings.ToUpper(l.peerAllow), "UPDATE") {
		l.refreshByUpdate()
		return
	}
	l.reoffer(l.ours, func(res *wire.Response, err error) {
		if res == nil && err != nil || res != nil && (res.StatusCode == 481 || res.StatusCode == 408) {
			go l.fail(call.Timeout.Why("the party does not answer a session refresh"))
			return
		}
		l.timer.rearm(l)
	})
}

func (l *leg) refreshByUpdate() {
	req := l.newRequest(wire.UPDATE, 0)
	l.s.common(req)
	req.AppendHeader(l.s.contact(l.path, l.localTag))
	l.timer.keep(req)
	req.SetBody(nil)
	l.send(req, func(res *wire.Response, err error) {
		if err == nil && res.IsProvisional() {
			return
		}
		if err != nil || res.StatusCode == 481 || res.StatusCode == 408 {
			l.fail(call.Timeout.Why("the party does not answer a session refresh"))
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if res.IsSuccess() {
			l.timer.agreed(l, res)
		} else {
			l.peerAllow = "" // UPDATE is not taken after all, or not now
			l.retry = time.AfterFunc(glareWait(l.uac), l.refresh)
		}
	})
}
