package sip

import (
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
)

// replaces names a dialog whose place a call wants (RFC 3891 6.1).
type replaces struct {
	callID, to, from string // tags as who receives it has them
	early            bool   // only if nobody answered yet
}

func parseReplaces(v string) (r replaces, ok bool) {
	id, params, _ := strings.Cut(v, ";")
	r.callID = strings.TrimSpace(id)
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(k) {
		case "to-tag":
			r.to = v
		case "from-tag":
			r.from = v
		case "early-only":
			r.early = true
		}
	}
	return r, r.callID != "" && r.to != "" && r.from != ""
}

// replaced finds the leg that is named, and its call: by its dialog with us, from
// either end, since who watches a phone's lamp knows the dialog as that phone has
// it (RFC 4235).
func (s *Server) replaced(r *replaces) (*leg, call.Owner) {
	for _, way := range [][2]string{{r.to, r.from}, {r.from, r.to}} {
		l := s.leg(way[0])
		if l == nil {
			continue
		}
		l.mu.Lock()
		match := l.callID == r.callID && (l.remoteTag == way[1] || l.stage == early && l.uac)
		owner := l.owner
		l.mu.Unlock()
		if match && owner != nil {
			return l, owner
		}
	}
	return nil, nil
}

// takesOver reads the Replaces of an INVITE. It finds the leg, or gives the code
// of the refusal.
func (s *Server) takesOver(req *wire.Request, who call.Party) (l *leg, owner call.Owner, earlyOnly bool, code int) {
	values := req.GetHeaders("Replaces")
	if len(values) == 0 {
		return nil, nil, false, 0
	}
	r, ok := parseReplaces(values[0].Value())
	if !ok || len(values) > 1 {
		return nil, nil, false, wire.StatusBadRequest
	}
	l, owner = s.replaced(&r)
	switch {
	case l == nil:
		return nil, nil, false, wire.StatusCallTransactionDoesNotExists
	case !mayReplace(who.Ref, l):
		return nil, nil, false, wire.StatusForbidden
	}
	return l, owner, r.early, 0
}

// mayReplace says who may take a leg's place, or send somebody there: a phone of
// ours any, a trunk its own, a stranger none.
func mayReplace(party string, l *leg) bool {
	return isExtension(party) || party != call.Stranger && l.party == party
}
