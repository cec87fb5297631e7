package transaction

import (
	"errors"
	"strconv"
	"sync"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transport"
)

// ErrTimeout is the end of a transaction that nobody answered.
var ErrTimeout = errors.New("no answer within 64*T1")

// Responses takes what comes back: every response in order, or nil and an
// error when there will be none. After a 2xx to an INVITE further 2xx may
// follow for 64*T1, from other branches of a fork too.
type Responses func(res *wire.Response, err error)

// Client is the client side of a transaction.
type Client struct {
	l      *Layer
	key    string
	branch string
	path   transport.Path
	on     Responses

	mu       sync.Mutex // guards what follows
	state    state
	req      *wire.Request // nil once no ACK or CANCEL can be made of it any more
	bytes    []byte        // the request, while it is retransmitted
	ack      []byte
	timer    *time.Timer
	wait     time.Duration
	left     time.Duration
	cancel   bool   // asked for before the first response
	why      string // Reason of the CANCEL
	inOrder  sync.Mutex
	isInvite bool
}

// Request sends req over p in a new transaction. It puts the Via on top. The
// request belongs to the transaction from then on.
func (l *Layer) Request(req *wire.Request, p transport.Path, on Responses) *Client {
	c := &Client{
		l: l, branch: Branch(), path: p, on: on, req: req,
		isInvite: req.Method == wire.INVITE, wait: l.cfg.Timers.T1, left: l.cfg.Timers.Lifetime(),
	}
	c.key = c.branch + "|" + string(req.Method)
	req.PrependHeader(Via(p, c.branch))
	c.bytes = l.Bytes(req)
	if !c.isInvite {
		c.req = nil
	}
	c.start()
	return c
}

// Via makes our Via for a path, asking for the reflected port (RFC 3581).
func Via(p transport.Path, branch string) *wire.ViaHeader {
	v := &wire.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: wire.NetworkToUpper(string(p.Protocol)),
		Host: Host(p), Port: int(p.Local.Port()), Params: wire.NewParams(),
	}
	v.Params.Add("branch", branch)
	v.Params.Add("rport", "")
	return v
}

// Host gives our address of a path as a URI writes it.
func Host(p transport.Path) string {
	a := p.Local.Addr().WithZone("").Unmap()
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// arm sets timer A or E (UDP) or B or F alone. Called with mu held.
func (c *Client) arm() {
	if c.path.Protocol.Reliable() {
		c.after(c.left, func() { c.fail(ErrTimeout) })
		return
	}
	c.after(c.wait, c.retransmit)
}

func (c *Client) after(d time.Duration, f func()) {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(d, f)
}

func (c *Client) retransmit() {
	c.mu.Lock()
	if c.state != trying && (c.isInvite || c.state != proceeding) {
		c.mu.Unlock()
		return
	}
	if c.left -= c.wait; c.left <= 0 {
		c.mu.Unlock()
		c.fail(ErrTimeout)
		return
	}
	c.wait *= 2
	if !c.isInvite {
		c.wait = min(c.wait, c.l.cfg.Timers.T2)
		if c.state == proceeding {
			c.wait = c.l.cfg.Timers.T2
		}
	}
	c.wait = min(c.wait, c.left)
	c.after(c.wait, c.retransmit)
	b := c.bytes
	c.mu.Unlock()
	if err := c.l.cfg.Send(c.path, b); err != nil {
		c.fail(err)
	}
}

func (c *Client) receive(res *wire.Response) {
	c.inOrder.Lock() // over TCP and UDP at once responses could overtake
	defer c.inOrder.Unlock()
	c.mu.Lock()
	pass, ack, cancel := c.step(res)
	c.mu.Unlock()
	if ack != nil {
		_ = c.l.cfg.Send(c.path, ack)
	}
	if cancel {
		c.sendCancel()
	}
	if pass {
		c.on(res, nil)
	}
}

// step is the state machine of RFC 3261 figures 5 and 6 with RFC 6026's
// Accepted. It says whether the response goes up, which ACK is to be sent,
// and whether a CANCEL that waited may go. Called with mu held.
func (c *Client) step(res *wire.Response) (pass bool, ack []byte, cancel bool) {
	code := res.StatusCode
	switch c.state {
	case trying, proceeding:
		if code < 200 {
			return true, nil, c.provisional()
		}
		if !c.isInvite {
			c.finish(c.l.cfg.Timers.T4) // timer K
			c.state = completed
			return true, nil, false
		}
		if code < 300 {
			c.state = accepted
			c.linger(c.l.cfg.Timers.Lifetime()) // timer M
			c.req, c.bytes = nil, nil
			return true, nil, false
		}
		c.ack = c.l.Bytes(ackFor(c.req, res))
		c.state = completed
		c.finish(c.l.cfg.Timers.Lifetime()) // timer D, at least 32 s
		return true, c.ack, false
	case completed:
		if c.isInvite && code >= 300 {
			return false, c.ack, false
		}
	case accepted:
		return code >= 200 && code < 300, nil, false
	}
	return false, nil, false
}

func (c *Client) finish(linger time.Duration) {
	if c.path.Protocol.Reliable() {
		linger = 0
	}
	c.req, c.bytes = nil, nil
	c.linger(linger)
}

// linger has nothing more than the end come. Called with mu held.
func (c *Client) linger(d time.Duration) {
	c.timer.Stop()
	c.timer = nil // and what it would have done
	c.l.ends.after(d, c)
}

func (c *Client) provisional() (sendCancel bool) {
	first := c.state == trying
	c.state = proceeding
	if !c.isInvite {
		return false
	}
	if first {
		c.timer.Stop() // no retransmission; how long it may ring is the call's to say
		if c.cancel {
			return true
		}
	}
	return false
}

// Cancel asks an INVITE to end (RFC 3261 9.1): at once, or with the first
// provisional response. reason is for its Reason header (RFC 3326), if not
// empty. The final response follows; if none does within 64*T1, ErrTimeout.
func (c *Client) Cancel(reason string) {
	c.mu.Lock()
	c.why = reason
	asked := c.cancel
	c.cancel = true
	now := !asked && c.state == proceeding && c.isInvite
	c.mu.Unlock()
	if now {
		c.sendCancel()
	}
}

func (c *Client) sendCancel() {
	c.mu.Lock()
	if c.req == nil {
		c.mu.Unlock()
		return
	}
	b := cancelFor(c.req, c.why)
	c.after(c.l.cfg.Timers.Lifetime(), func() { c.fail(ErrTimeout) })
	c.mu.Unlock()
	c.l.requestAs(b, c.path, c.branch)
}

// requestAs sends a CANCEL in a transaction under the INVITE's branch.
func (l *Layer) requestAs(req *wire.Request, p transport.Path, branch string) {
	c := &Client{
		l: l, branch: branch, path: p, key: branch + "|" + string(req.Method), bytes: l.Bytes(req),
		on: func(*wire.Response, error) {}, wait: l.cfg.Timers.T1, left: l.cfg.Timers.Lifetime(),
	}
	c.start()
}

// start registers the transaction, sets its timer and sends.
func (c *Client) start() {
	sh := &c.l.clients[pick(c.key)]
	sh.mu.Lock()
	sh.m[c.key] = c
	sh.mu.Unlock()
	c.mu.Lock()
	c.arm()
	b := c.bytes
	c.mu.Unlock()
	if err := c.l.cfg.Send(c.path, b); err != nil {
		go c.fail(err) // not from within Request: its caller may hold a lock
	}
}

// Lost ends the transaction with err if nothing has come back to it: its way is gone.
func (c *Client) Lost(err error) {
	c.mu.Lock()
	waits := c.state == trying
	c.mu.Unlock()
	if waits {
		c.fail(err)
	}
}

// fail ends the transaction without a response.
func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.state >= completed {
		c.mu.Unlock()
		return
	}
	c.state = terminated
	c.req, c.bytes = nil, nil
	c.timer.Stop()
	c.mu.Unlock()
	c.l.dropClient(c)
	c.on(nil, err)
}

func (c *Client) end() {
	c.mu.Lock()
	c.state = terminated
	c.ack = nil
	c.mu.Unlock()
	c.l.dropClient(c)
}

// ackFor is RFC 3261 17.1.1.3's ACK to a non-2xx.
func ackFor(invite *wire.Request, res *wire.Response) *wire.Request {
	ack := sameTransaction(invite, wire.ACK)
	ack.AppendHeader(wire.HeaderClone(res.To()))
	ack.SetBody(nil)
	return ack
}

// cancelFor is RFC 3261 9.1's CANCEL.
func cancelFor(invite *wire.Request, reason string) *wire.Request {
	req := sameTransaction(invite, wire.CANCEL)
	req.AppendHeader(wire.HeaderClone(invite.To()))
	if reason != "" {
		req.AppendHeader(wire.NewHeader("Reason", reason))
	}
	req.SetBody(nil)
	return req
}

func sameTransaction(invite *wire.Request, method wire.RequestMethod) *wire.Request {
	req := wire.NewRequest(method, invite.Recipient)
	req.AppendHeader(wire.HeaderClone(invite.Via()))
	wire.CopyHeaders("Route", invite, req)
	req.AppendHeader(wire.NewHeader("Max-Forwards", strconv.Itoa(70)))
	req.AppendHeader(wire.HeaderClone(invite.From()))
	req.AppendHeader(wire.HeaderClone(invite.CallID()))
	req.AppendHeader(&wire.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: method})
	return req
}
