package sip

import (
	"net"
	"strconv"
	"strings"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/sip/transaction"
)

// A party may refer the other to a device of another system, by an address that names
// it (RFC 5627). If the other is a trunk to that system, the REFER goes on there: it
// connects its own side, and says goodbye to us.
//
//	phone ── REFER sister's device ──> us ── REFER ──> sister, which dials its device
//	phone <── NOTIFY ──                us <── NOTIFY ── sister
//	phone <── BYE ──                   us <── BYE ──    sister

// elsewhere reports whether an address names a device that has not registered here.
func (s *Server) elsewhere(u *wire.Uri) bool {
	if u.Scheme == "tel" || !u.UriParams.Has("gr") {
		return false
	}
	extension, instance, ok := s.device(u)
	if !ok {
		return true
	}
	for _, b := range s.cfg.Bindings.SIP(extension) {
		if bare(b.Instance) == instance {
			return false
		}
	}
	return true
}

// plainURI is an address without what it says of headers.
func plainURI(u *wire.Uri) string {
	plain := *u
	plain.Headers = nil
	return plain.String()
}

// Refer asks a trunk to connect its side to an address of its own (call.Referrer).
func (l *leg) Refer(to string, progress func(call.Cause)) bool {
	var u wire.Uri
	if err := wire.ParseUri(to, &u); err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stage != up || l.link == nil || l.asking != nil || !l.livesThere(&u) {
		return false
	}
	req := l.newRequest(wire.REFER, 0)
	l.s.common(req)
	req.AppendHeader(l.s.contact(l.path, l.localTag))
	req.AppendHeader(wire.NewHeader("Refer-To", "<"+u.String()+">"))
	req.SetBody(nil)
	l.asking = progress
	l.send(req, func(res *wire.Response, err error) {
		switch {
		case err != nil:
			l.heardOf(call.Timeout)
		case res.StatusCode >= 300:
			l.heardOf(causeOf(res))
		}
	})
	return true
}

// livesThere reports whether an address is of the system at the other end. Called with
// mu held.
func (l *leg) livesThere(u *wire.Uri) bool {
	t := l.link.setup()
	if t == nil {
		return false
	}
	at, _, err := directory.HostPort(t.Address)
	host := strings.Trim(u.Host, "[]")
	return strings.EqualFold(host, t.Domain) || err == nil && strings.EqualFold(host, at) ||
		net.JoinHostPort(host, strconv.Itoa(u.Port)) == l.path.Remote.String()
}

// heardOf passes on what came of a REFER of ours; a final answer is the last.
func (l *leg) heardOf(c call.Cause) {
	l.mu.Lock()
	tell := l.asking
	if c.Code >= 200 {
		l.asking = nil
	}
	l.mu.Unlock()
	if tell != nil {
		tell(c)
	}
}

// notified takes what the party tells of a REFER of ours (RFC 3515 2.4.4).
func (l *leg) notified(tx *transaction.Server, req *wire.Request) {
	event, _, _ := strings.Cut(header(req, "Event", "o"), ";")
	l.mu.Lock()
	asked := l.asking != nil
	l.mu.Unlock()
	if !asked || !strings.EqualFold(strings.TrimSpace(event), "refer") {
		tx.Respond(l.s.reply(req, wire.StatusCallTransactionDoesNotExists, "No such subscription"))
		return
	}
	tx.Respond(l.s.reply(req, wire.StatusOK, "OK"))
	if code, ok := fragmentStatus(req.Body()); ok {
		l.heardOf(call.Cause{Kind: call.Failed.Kind, Code: code})
	}
}

// fragmentStatus reads the code in a message/sipfrag (RFC 3420) that is a status line.
func fragmentStatus(body []byte) (code int, ok bool) {
	f := strings.Fields(string(body[:min(len(body), maxFragment)]))
	if len(f) < 2 || f[0] != "SIP/2.0" {
		return 0, false
	}
	code, err := strconv.Atoi(f[1])
	return code, err == nil && code >= 100 && code <= 699
}

// maxFragment bounds what is read of one: the status line comes first.
const maxFragment = 256
