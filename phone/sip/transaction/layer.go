// Package transaction matches SIP messages to transactions and keeps their
// timers (RFC 3261 17, RFC 6026).
//
//	transport -> Layer.Receive -> Server (a request came)  -> User.Request
//	                           -> Client (a response came) -> its Responses
//	User -> Server.Respond, Layer.Request, Client.Cancel -> Sender
//
// There are no goroutines: messages are handled on the goroutine that read
// them, so that requests of one dialog reach the user in the order in which
// they came, and timers on the runtime's. Callbacks are made without locks
// held, never two at a time for one client transaction's responses, and must
// not block.
//
// sipgo's own layer is not used: docs/decisions/0001 says why.
package transaction

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/transport"
)

// Timers are the base values of RFC 3261 17 (table 4).
type Timers struct{ T1, T2, T4 time.Duration }

// defaultTimers are RFC 3261's.
var defaultTimers = Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second}

// Lifetime is the 64*T1 of timers B, F, H, J, L and M.
func (t Timers) Lifetime() time.Duration { return 64 * t.T1 }

// User is what transactions are for.
type User interface {
	// Request takes a new request. An ACK to a 2xx has no transaction (tx nil).
	Request(tx *Server, req *wire.Request, p transport.Path)
	// Cancelled says that the caller gave an INVITE up; the CANCEL itself is
	// answered already (RFC 3261 9.2).
	Cancelled(invite *Server, cancel *wire.Request)
	// Stray takes a response to no transaction: a 2xx retransmitted after its
	// transaction is gone, or a forgery.
	Stray(res *wire.Response, p transport.Path)
}

// Sender is the transport.
type Sender func(transport.Path, []byte) error

// Config is what a Layer depends on. Timers zero means RFC 3261's.
type Config struct {
	Send   Sender
	User   User
	Timers Timers
}

// MaxTransactions bounds server transactions alive at once, each at most
// 64*T1: requests beyond it get a 503 without state.
const MaxTransactions = 200_000

const shards = 64

// Layer holds the transactions. Safe for any goroutine.
type Layer struct {
	cfg     Config
	ends    ends
	paper   sync.Pool // of *bytes.Buffer, to write messages in
	count   atomic.Int64
	servers [shards]shard[*Server]
	clients [shards]shard[*Client]
}

type shard[T any] struct {
	mu sync.Mutex // guards m
	m  map[string]T
}

// New makes an empty layer.
func New(cfg Config) *Layer {
	if cfg.Timers == (Timers{}) {
		cfg.Timers = defaultTimers
	}
	l := &Layer{
		cfg: cfg, ends: ends{began: time.Now(), due: map[time.Duration][]ender{}},
		paper: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	for i := range shards {
		l.servers[i].m = map[string]*Server{}
		l.clients[i].m = map[string]*Client{}
	}
	return l
}

// Count gives the server and client transactions alive.
func (l *Layer) Count() (servers, clients int) {
	for i := range shards {
		servers += l.servers[i].len()
		clients += l.clients[i].len()
	}
	return servers, clients
}

func (s *shard[T]) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.m)
}

func pick(key string) int {
	h := uint32(2166136261) // FNV-1a
	for i := 0; i < len(key); i++ {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int(h % shards)
}

// Receive takes a parsed message from the transport. It reports whether that is a
// response to a transaction of ours, which nobody can guess.
func (l *Layer) Receive(m wire.Message, p transport.Path) (awaited bool) {
	switch m := m.(type) {
	case *wire.Request:
		stampVia(m, p)
		l.request(m, p)
	case *wire.Response:
		return l.response(m, p)
	}
	return false
}

// stampVia notes where the request came from (RFC 3261 18.2.1) and, whether
// asked or not, its port (RFC 3581): phones behind NAT forget to ask.
func stampVia(req *wire.Request, p transport.Path) {
	via := req.Via()
	via.Params.Remove("received")
	via.Params.Remove("rport")
	via.Params.Add("received", p.Remote.Addr().WithZone("").String())
	via.Params.Add("rport", strconv.Itoa(int(p.Remote.Port())))
}

const cookie = "z9hG4bK"

// serverKey is RFC 3261 17.2.3's; without the magic cookie RFC 2543's fields.
func serverKey(req *wire.Request, method wire.RequestMethod) string {
	via := req.Via()
	branch, _ := via.Params.Get("branch")
	if strings.HasPrefix(branch, cookie) && len(branch) > len(cookie) {
		return branch + "|" + via.Host + "|" + strconv.Itoa(via.Port) + "|" + string(method)
	}
	from, _ := req.From().Params.Get("tag")
	return "2543|" + string(*req.CallID()) + "|" + from + "|" + strconv.Itoa(int(req.CSeq().SeqNo)) + "|" + via.Host + "|" + string(method)
}

func (l *Layer) request(req *wire.Request, p transport.Path) {
	method := req.Method
	if method == wire.ACK {
		method = wire.INVITE
	}
	key := serverKey(req, method)
	sh := &l.servers[pick(key)]
	sh.mu.Lock()
	if tx := sh.m[key]; tx != nil {
		sh.mu.Unlock()
		tx.again(req, p)
		return
	}
	if req.Method == wire.ACK {
		sh.mu.Unlock()
		l.cfg.User.Request(nil, req, p)
		return
	}
	if l.count.Load() >= MaxTransactions {
		sh.mu.Unlock()
		l.refuse(req, p)
		return
	}
	tx := newServer(l, key, req, p)
	sh.m[key] = tx
	l.count.Add(1)
	sh.mu.Unlock()
	if req.Method == wire.CANCEL {
		l.cancel(tx, req)
		return
	}
	l.cfg.User.Request(tx, req, p)
}

// Restore puts the transaction of an INVITE back that a process before this one
// had: what comes of it again is matched, its answer goes to p.
func (l *Layer) Restore(invite *wire.Request, p transport.Path) *Server {
	tx := newServer(l, serverKey(invite, wire.INVITE), invite, p)
	tx.state = proceeding
	sh := &l.servers[pick(tx.key)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.m[tx.key] = tx
	l.count.Add(1)
	return tx
}

func (l *Layer) refuse(req *wire.Request, p transport.Path) {
	res := Reply(req, wire.StatusServiceUnavailable, "Too many transactions")
	res.AppendHeader(wire.NewHeader("Retry-After", "5"))
	_ = l.cfg.Send(p, []byte(res.String()))
}

// cancel answers a CANCEL by itself and tells the user which INVITE it meant.
func (l *Layer) cancel(tx *Server, req *wire.Request) {
	key := serverKey(req, wire.INVITE)
	sh := &l.servers[pick(key)]
	sh.mu.Lock()
	invite := sh.m[key]
	sh.mu.Unlock()
	if invite == nil || invite.path.Remote.Addr() != tx.path.Remote.Addr() {
		tx.RespondOnce(Reply(req, wire.StatusCallTransactionDoesNotExists, "No INVITE to cancel"))
		return
	}
	res := Reply(req, wire.StatusOK, "OK")
	if tag := invite.Tag(); tag != "" {
		SetTag(res, tag) // RFC 3261 9.2: the tag of the INVITE's answers
	}
	tx.Respond(res)
	l.cfg.User.Cancelled(invite, req)
}

func (l *Layer) response(res *wire.Response, p transport.Path) (awaited bool) {
	branch, _ := res.Via().Params.Get("branch")
	key := branch + "|" + string(res.CSeq().MethodName)
	sh := &l.clients[pick(key)]
	sh.mu.Lock()
	tx := sh.m[key]
	sh.mu.Unlock()
	if tx == nil {
		l.cfg.User.Stray(res, p)
		return false
	}
	tx.receive(res)
	return true
}

func (l *Layer) dropServer(tx *Server) {
	sh := &l.servers[pick(tx.key)]
	sh.mu.Lock()
	if sh.m[tx.key] == tx {
		delete(sh.m, tx.key)
		l.count.Add(-1)
	}
	sh.mu.Unlock()
}

func (l *Layer) dropClient(tx *Client) {
	sh := &l.clients[pick(tx.key)]
	sh.mu.Lock()
	delete(sh.m, tx.key)
	sh.mu.Unlock()
}

// Branch makes a fresh branch parameter.
func Branch() string { return cookie + Token() }

// Token gives 80 random bits, as tags, branches and Call-IDs want them.
func Token() string {
	var b [10]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
