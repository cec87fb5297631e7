package sip

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/call"
	"tincan/phone/media"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// Calls of strangers to public destinations.
//
//	INVITE sip:lounge@us ── public? ──no──> challenge, as everybody
//	   └─ over UDP ── 302 to sip:lounge@us;way=COOKIE ──> INVITE with the cookie
//	                                                        └─> the call
//
// A datagram may come from a forged address: who calls must show that he gets our
// answers before phones ring, an answer is sent again and again, and sound flows.

// wayParam is the URI parameter of the cookie, wayTime how long one is good: it is
// remade that often, and the one before still taken.
const (
	wayParam = "way"
	wayTime  = 32 * time.Second // as long as the caller's INVITE may be under way
)

// caller says who sends an INVITE: a stranger if it is for a public destination
// and nobody we know, else whom identify finds. It answers the request itself when
// the call cannot go on.
func (s *Server) caller(tx *transaction.Server, req *wire.Request, p transport.Path) (call.Party, bool) {
	if !s.forAnyone(req, p) {
		return s.identify(tx, req, p)
	}
	if !p.Protocol.Reliable() && !s.rightWay(req, p, time.Now()) {
		tx.RespondOnce(s.showWay(req, p))
		return call.Party{}, false
	}
	if !s.roomForGuest(p) {
		res := s.reply(req, wire.StatusServiceUnavailable, "Too many strangers are calling")
		res.AppendHeader(wire.NewHeader("Retry-After", "30"))
		tx.RespondOnce(res)
		return call.Party{}, false
	}
	return stranger(req), true
}

// forAnyone reports whether an INVITE is a stranger's to a public destination.
func (s *Server) forAnyone(req *wire.Request, p transport.Path) bool {
	if s.cfg.Public == nil || s.settings.Load().Guests == 0 || s.credentials(req) != nil || s.foreign(req) {
		return false
	}
	if _, trunk := s.trunkOf(req, p); trunk || s.bound(req, p) {
		return false
	}
	return s.cfg.Public(userOf(&req.Recipient))
}

// stranger makes the party of who has no account. The whole address is shown as
// the number, so that nobody passes for an extension.
func stranger(req *wire.Request) call.Party {
	from := req.From()
	number := "anonymous"
	if user := userOf(&from.Address); user != "" {
		number = user + "@" + from.Address.Host
	}
	return call.Party{Ref: call.Stranger, Number: clip(number), Name: clip(from.DisplayName)}
}

// way is the cookie for an address: its bearer gets what we send there.
func (s *Server) way(p transport.Path, when time.Time) string {
	m := hmac.New(sha256.New, s.nonces.key[:])
	m.Write([]byte("way " + p.Remote.String() + " " + strconv.FormatInt(when.UnixNano()/int64(wayTime), 10)))
	return hex.EncodeToString(m.Sum(nil)[:10])
}

func (s *Server) rightWay(req *wire.Request, p transport.Path, now time.Time) bool {
	got, _ := req.Recipient.UriParams.Get(wayParam)
	return hmac.Equal([]byte(got), []byte(s.way(p, now))) || hmac.Equal([]byte(got), []byte(s.way(p, now.Add(-wayTime))))
}

// showWay sends the caller to where it called, with a cookie.
func (s *Server) showWay(req *wire.Request, p transport.Path) *wire.Response {
	res := s.reply(req, wire.StatusMovedTemporarily, "Moved Temporarily")
	u := *req.Recipient.Clone()
	u.Headers = nil
	u.UriParams.Remove(wayParam)
	u.UriParams.Add(wayParam, s.way(p, time.Now()))
	res.AppendHeader(&wire.ContactHeader{Address: u})
	return res
}

// roomForGuest bounds the calls of strangers: Settings.Guests, and half of them,
// at least one, from one host.
func (s *Server) roomForGuest(p transport.Path) bool {
	most := s.settings.Load().Guests
	s.mu.Lock()
	defer s.mu.Unlock()
	here := 0
	for _, host := range s.guests {
		if host == transport.HostOf(p.Remote) {
			here++
		}
	}
	return len(s.guests) < most && here < max(1, most/2)
}

// reachable makes a party's description safe to send media to. A port of ours is
// no address of anybody else: media would go round in circles. A stranger gets
// media where his signalling comes from, or where his own media come from; or else
// he could have them sent to anybody.
func (l *leg) reachable(r media.Remote) media.Remote {
	at, from := r.RTP.Addr().Unmap(), l.path.Remote.Addr()
	ours := at == l.path.Local.Addr() || at == l.s.advertise(l.path)
	guest := l.party == call.Stranger
	switch {
	case ours && l.s.cfg.Media.InUse(r.RTP.Port()):
		r.RTP, r.RTCP = netip.AddrPort{}, netip.AddrPort{}
	case guest && at != from:
		r.Hosts = append(r.Hosts, at)
		r.RTP, r.RTCP = netip.AddrPort{}, netip.AddrPort{}
	case guest && r.RTCP.Addr().Unmap() != from:
		r.RTCP = netip.AddrPort{}
	}
	return r
}

// served reports whether the host of a request's URI is one that we answer for: a
// name of ours, an address (a NAT's, that we cannot know), or a name without dots
// as machines on one network call each other. Without a domain we answer for all.
func (s *Server) served(host string) bool {
	set := s.settings.Load()
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if set.Domain == "" || host == strings.ToLower(set.Domain) || !strings.Contains(host, ".") || strings.HasSuffix(host, ".local") {
		return true
	}
	for _, name := range set.Aliases {
		if host == strings.ToLower(name) {
			return true
		}
	}
	_, ok := uriAddr(&wire.Uri{Host: host})
	return ok
}

// foreign reports whether a request is for a domain that is not ours.
func (s *Server) foreign(req *wire.Request) bool { return !s.served(req.Recipient.Host) }

// refuseForeign answers a request for a domain that is not ours: an address that
// does not exist here (RFC 3261 8.2.2.1, 10.3). We are nobody's proxy (16.5).
func (s *Server) refuseForeign(tx responder, req *wire.Request) {
	tx.RespondOnce(s.reply(req, wire.StatusNotFound, "Not a domain of this server"))
}
