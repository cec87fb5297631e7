package sip

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
)

// dialog is the state of RFC 3261 12 seen from our side. The leg's mutex
// guards it.
type dialog struct {
	callID    string
	localTag  string // ours, unique among all legs
	remoteTag string
	local     wire.Uri // our address: From of our requests
	localName string
	remote    wire.Uri // the party's: To of our requests
	remName   string
	target    wire.Uri // the party's Contact
	routes    []string
	localSeq  uint32
	remoteSeq uint32
	path      transport.Path
	heard     time.Time // when path was the way to the party
	device    bool      // a phone of ours, or a stranger: reached where it came from, whatever its Contact says
}

// request makes a request within the dialog (RFC 3261 12.2.1.1). seq 0 takes
// the next number.
func (d *dialog) newRequest(method wire.RequestMethod, seq uint32) *wire.Request {
	if seq == 0 {
		d.localSeq++
		seq = d.localSeq
	}
	target, routes := d.way()
	req := wire.NewRequest(method, target)
	for _, r := range routes {
		req.AppendHeader(wire.NewHeader("Route", r))
	}
	d.headers(req, seq)
	return req
}

// way gives the Request-URI and the Route values. A first route without lr is
// a strict router: it is asked itself, and the target comes last (RFC 3261
// 12.2.1.1).
func (d *dialog) way() (target wire.Uri, routes []string) {
	if len(d.routes) == 0 {
		return d.target, nil
	}
	var first wire.Uri
	if err := parseRoute(d.routes[0], &first); err != nil || first.UriParams.Has("lr") {
		return d.target, d.routes
	}
	return first, append(slices.Clone(d.routes[1:]), "<"+d.target.String()+">")
}

func (d *dialog) headers(req *wire.Request, seq uint32) {
	from := &wire.FromHeader{DisplayName: d.localName, Address: d.local, Params: wire.HeaderParams{{K: "tag", V: d.localTag}}}
	to := &wire.ToHeader{DisplayName: d.remName, Address: d.remote}
	if d.remoteTag != "" {
		to.Params = wire.HeaderParams{{K: "tag", V: d.remoteTag}}
	}
	id := wire.CallIDHeader(d.callID)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&id)
	req.AppendHeader(&wire.CSeqHeader{SeqNo: seq, MethodName: req.Method})
}

// fromRequest fills the dialog from the INVITE that a party sent (12.1.1).
func (d *dialog) fromRequest(req *wire.Request, p transport.Path) {
	d.callID = string(*req.CallID())
	d.localTag = transaction.Token()
	d.remoteTag, _ = req.From().Params.Get("tag")
	d.local, d.localName = *req.To().Address.Clone(), req.To().DisplayName
	d.remote, d.remName = *req.From().Address.Clone(), req.From().DisplayName
	d.remoteSeq = req.CSeq().SeqNo
	d.path, d.heard = p, time.Now()
	for _, h := range req.GetHeaders("Record-Route") {
		d.routes = append(d.routes, h.Value())
	}
	d.target = d.remote // of a phone that forgets its Contact
	d.retarget(req)
}

// fromResponse fills what an answer to our INVITE decides (12.1.2).
func (d *dialog) fromResponse(res *wire.Response) {
	d.remoteTag, _ = res.To().Params.Get("tag")
	d.routes = d.routes[:0]
	rr := res.GetHeaders("Record-Route")
	for i := len(rr) - 1; i >= 0; i-- {
		d.routes = append(d.routes, rr[i].Value())
	}
	d.retarget(res)
}

// retarget follows the Contact of a target refresh (12.2.1.2).
func (d *dialog) retarget(m wire.Message) {
	if h := m.GetHeaders("Contact"); len(h) > 0 {
		if c, ok := h[0].(*wire.ContactHeader); ok && !c.Address.Wildcard && c.Address.Host != "" {
			d.target = *c.Address.Clone()
			d.target.Headers = nil // not for a Request-URI (RFC 3261 19.1.1)
		}
	}
}

// hop says where requests within the dialog go: to a phone of ours the way it
// came; else to the first route or the target, if that is another address
// than it came from and can be reached without asking DNS.
func (d *dialog) hop(t *transport.Transport) (transport.Path, error) {
	if d.device || d.path.Protocol.Reliable() {
		return d.path, nil
	}
	u := d.target
	if len(d.routes) > 0 {
		var h wire.Uri
		if err := parseRoute(d.routes[0], &h); err == nil {
			u = h
		}
	}
	to, ok := uriAddr(&u)
	if !ok || to == d.path.Remote || uriProtocol(&u) != transport.UDP {
		return d.path, nil
	}
	if natted(to.Addr(), d.path.Remote.Addr()) {
		return d.path, nil
	}
	return t.UDPPath(to, d.path.Local)
}

// natted reports whether a party names a private address but speaks from a
// public one.
func natted(says, from netip.Addr) bool {
	return says != from && (says.IsPrivate() || says.IsUnspecified() || says.IsLoopback()) && !from.IsPrivate() && !from.IsLoopback()
}

var errNoRoute = errors.New("route header cannot be read")

func parseRoute(value string, u *wire.Uri) error {
	var params wire.HeaderParams
	if _, err := wire.ParseAddressValue(value, u, &params); err != nil {
		return errNoRoute
	}
	return nil
}
