package sip

import (
	"strconv"
	"strings"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/directory"
	"tincan/phone/sip/digest"
	"tincan/phone/sip/registration"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// attachment is our registration at a trunk, with the settings that it was begun
// with: a goodbye goes where the hello went.
type attachment struct {
	link   *link
	trunk  *directory.Trunk
	digest *digest.Client
	client *registration.Client
	callID string // one for all REGISTERs (RFC 3261 10.2)
	tag    string

	mu     sync.Mutex // guards what follows
	seq    uint32
	path   transport.Path // of the last that was granted
	target resolve.Target
}

// sameRegistration reports whether a registration need not begin anew.
func sameRegistration(a, b *directory.Trunk) bool {
	return a.Register == b.Register && a.Address == b.Address && a.Proxy == b.Proxy && a.Domain == b.Domain &&
		a.Transport == b.Transport && a.Expires == b.Expires && a.Username == b.Username &&
		a.AuthUsername == b.AuthUsername && a.Password() == b.Password() && a.Token == b.Token
}

func (k *link) attach(t *directory.Trunk) *attachment {
	a := &attachment{
		link: k, trunk: t, digest: digest.New(t.AuthUsername, t.Password()),
		callID: k.s.newCallID(transaction.Token()), tag: transaction.Token(),
	}
	a.client = registration.New(registration.Config{
		Expires: t.Expires, Send: a.register, Changed: a.changed,
	})
	return a
}

func (a *attachment) next() uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seq++
	return a.seq
}

// register sends a REGISTER (registration.Config.Send).
func (a *attachment) register(expires time.Duration, done func(registration.Answer)) {
	s := a.link.s
	e := &errand{s: s, try: a.digest.Try(), seq: a.next}
	e.make = func(p transport.Path) *wire.Request { return a.request(p, expires) }
	e.done = func(res *wire.Response, end errandEnd) {
		if res != nil && res.IsSuccess() && expires > 0 {
			a.granted(res, end)
		}
		done(a.answer(res, end))
	}
	q, _, err := resolveTrunk(a.trunk)
	if err != nil {
		done(registration.Answer{Err: err})
		return
	}
	s.targets(q, func(list []resolve.Target, err error) {
		e.left = list
		if err == nil && len(list) == 0 {
			err = errNoTarget
		}
		e.run(err)
	})
}

// request makes a REGISTER (RFC 3261 10.2).
func (a *attachment) request(p transport.Path, expires time.Duration) *wire.Request {
	t := a.trunk
	host, port, _ := directory.HostPort(t.Address) // checked before
	uri := wire.Uri{Scheme: "sip", Host: t.Domain}
	if t.Domain == host {
		uri.Port = int(port)
	}
	req := wire.NewRequest(wire.REGISTER, uri)
	if t.Proxy != "" {
		req.AppendHeader(wire.NewHeader("Route", "<sip:"+t.Proxy+";lr>"))
	}
	account := wire.Uri{Scheme: "sip", User: escape(t.Username), Host: t.Domain}
	id := wire.CallIDHeader(a.callID)
	req.AppendHeader(&wire.FromHeader{Address: account, Params: wire.HeaderParams{{K: "tag", V: a.tag}}})
	req.AppendHeader(&wire.ToHeader{Address: account})
	req.AppendHeader(&id)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: a.next(), MethodName: wire.REGISTER})
	seconds := itoa(int(expires / time.Second))
	contact := a.link.s.contact(p, t.Token)
	contact.Params = wire.HeaderParams{{K: "expires", V: seconds}}
	req.AppendHeader(contact)
	req.AppendHeader(wire.NewHeader("Expires", seconds))
	req.AppendHeader(wire.NewHeader("Allow", allow))
	a.link.s.common(req)
	req.SetBody(nil)
	return req
}

// granted notes where the registration stands, and the way that calls out are to
// take (RFC 3608 6.1).
func (a *attachment) granted(res *wire.Response, end errandEnd) {
	a.mu.Lock()
	a.path, a.target = end.path, end.target
	a.mu.Unlock()
	a.link.mu.Lock()
	defer a.link.mu.Unlock()
	a.link.route = serviceRoute(res)
}

// maxServiceRoute bounds the proxies that a registrar can put before its calls.
const maxServiceRoute = 8

func serviceRoute(res *wire.Response) (routes []string) {
	for _, value := range valuesOf(res, "Service-Route") {
		for value != "" && len(routes) < maxServiceRoute {
			r := first(value)
			value = strings.TrimPrefix(value[len(r):], ",")
			var u wire.Uri
			if r = strings.TrimSpace(r); parseRoute(r, &u) == nil && u.Host != "" && strings.HasPrefix(r, "<") {
				routes = append(routes, r)
			}
		}
	}
	return routes
}

// answer says what became of a REGISTER.
func (a *attachment) answer(res *wire.Response, end errandEnd) registration.Answer {
	if res == nil {
		return registration.Answer{Err: end.err}
	}
	return registration.Answer{
		Code: res.StatusCode, Reason: clip(res.Reason), Err: end.err, Rejected: end.err != nil,
		Granted: a.lasts(res), RetryAfter: retryAfter(res),
		MinExpires: seconds(header(res, "Min-Expires")),
	}
}

// lasts gives how long the registrar granted: its word on our Contact, else on
// all; 0 if it has none.
func (a *attachment) lasts(res *wire.Response) time.Duration {
	for _, h := range res.GetHeaders("Contact") {
		if c, ok := h.(*wire.ContactHeader); ok && c.Address.User == a.trunk.Token {
			if v, ok := c.Params.Get("expires"); ok {
				return seconds(v)
			}
		}
	}
	return seconds(header(res, "Expires"))
}

func seconds(v string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// changed tells of a new state (registration.Config.Changed).
func (a *attachment) changed(st registration.State) {
	log := a.link.s.cfg.Logger.With("trunk", a.trunk.Name)
	switch {
	case st.Phase == registration.Registered && st.Error == "":
		log.Info("registered at a trunk", "until", st.Until.Round(time.Second))
	case st.Error != "":
		log.Warn("not registered at a trunk", "error", st.Error, "again_at", st.Next.Round(time.Second))
	}
	a.link.s.tellTrunk(a.trunk.Name, string(st.Phase), st.Error)
}

// at gives the way of the registration that stands.
func (a *attachment) at() (transport.Path, resolve.Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.path, a.target
}
