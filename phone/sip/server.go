// Package sip is the SIP side of the phone server: registrar, legs of calls,
// trunks.
//
//	datagram -> transport -> transaction.Layer -> Server.Request
//	   REGISTER -> registrar -> directory.Bindings -> 200 when written
//	   INVITE   -> who is it -> leg -> call.Exchange
//	   in a dialog -> the leg with that tag -> event to its call
//
// Requests are handled on the goroutine that read them, so those of one dialog
// stay in order. A leg has a mutex of its own; it posts to its call's mailbox
// and takes the call's commands from any goroutine. Goroutines: one for
// keep-alives and expiry, short ones for look-ups and connections.
package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/bus"
	"tincan/phone/call"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/ice"
	"tincan/phone/media/secure"
	"tincan/phone/sip/resolve"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/watch"
	"tincan/secret"
)

// Calls is where incoming calls go: call.Exchange.
type Calls interface {
	Incoming(leg call.Leg, s call.Setup)
	Enter() // before a message is handled
	Leave() // after it: handles what calls made of it
}

// Settings may change while the server runs.
type Settings struct {
	Domain      string        // of this system, "" when it has none
	Aliases     []string      // other names that it answers for
	Guests      int           // calls of strangers to public destinations at once
	External    netip.Addr    // what outside phones are told; invalid: the socket's own address
	Local       Prefixes      // who is told the inside address
	RegisterMin time.Duration // shortest registration, else 423 (RFC 3261 10.3)
	RegisterMax time.Duration // longest; more is cut
	Session     time.Duration // interval of session timers that we ask for; 0: none
	Encryption  string        // of directory.Encryptions: for parties that do not say; "": auto
	Ping        time.Duration // between OPTIONS to phones behind NAT; 0: none
}

// Prefixes is a list of networks.
type Prefixes []netip.Prefix

// Contains reports whether an address is in one of them.
func (p Prefixes) Contains(a netip.Addr) bool {
	for _, n := range p {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// Config is what a Server depends on. Gate may be nil; Timers zero means RFC
// 3261's.
type Config struct {
	Node      string
	Realm     string
	Directory *directory.Directory
	Bindings  *directory.Bindings
	Calls     Calls
	Media     *media.Engine
	Bus       *bus.Bus
	Gate      transport.Gate
	Network   transport.Network // nil: the machine's
	Resolver  *resolve.Resolver // finds trunks; nil: by the system's name servers
	TLS       *tls.Config
	Logger    *slog.Logger
	Push      Pusher    // wakes phones; nil: nobody does
	ICE       *ice.Host // nil: ICE is never spoken
	Timers    transaction.Timers
	// Public tells whether strangers may call a name; nil: none.
	Public func(name string) bool
	// Identity proves the server to parties that shake hands (DTLS); nil: one of
	// this process.
	Identity *secure.Identity
	Box      *secret.Box // seals the keys of standing calls; nil: encrypted calls do not outlive the process
	Decoy    []byte      // a key that outlives the process, for what unknown users are told; nil: of this process
}

// Server is the SIP side. Safe for any goroutine.
type Server struct {
	cfg       Config
	settings  atomic.Pointer[Settings]
	transport *transport.Transport
	layer     *transaction.Layer
	nonces    *nonces
	decoy     string // the HA1 of nobody
	ctx       context.Context
	cancel    context.CancelFunc
	resolver  *resolve.Resolver
	health    resolve.Health
	links     links
	identity  *secure.Identity
	habits    habits
	doubts    doubts
	wg        sync.WaitGroup
	counts    Counts
	started   time.Time
	watched   atomic.Bool
	refusals  ration
	watch     *watch.Watch  // nil: nothing can be watched
	texts     Texts         // nil: no text messages
	begun     chan struct{} // closed by Start

	mu     sync.Mutex           // guards what follows
	legs   map[string]*leg      // by our tag
	guests map[*leg]netip.Addr  // of strangers: where they are
	merges map[string]string    // Call-ID, From-tag and CSeq of INVITEs in progress -> transaction
	waking map[string][]*waking // by extension and device
	ports  map[transport.Protocol]uint16
}

// Counts are totals since start, for the metrics.
type Counts struct {
	Requests, Challenged, Refused, Registered atomic.Uint64
}

// New makes a Server that listens nowhere yet.
func New(cfg Config, set Settings) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		cfg: cfg, started: time.Now(), nonces: newNonces(), decoy: transaction.Token(), ctx: ctx, cancel: cancel,
		begun: make(chan struct{}),
		legs:  map[string]*leg{}, guests: map[*leg]netip.Addr{}, merges: map[string]string{}, waking: map[string][]*waking{}, ports: map[transport.Protocol]uint16{},
	}
	if s.cfg.Decoy == nil {
		s.cfg.Decoy = s.nonces.key[:]
	}
	if s.identity = cfg.Identity; s.identity == nil {
		var err error
		if s.identity, err = secure.NewIdentity(nil); err != nil { // cannot be: it takes chance alone
			cfg.Logger.Error("no certificate for DTLS", "error", err)
		}
	}
	s.settings.Store(&set)
	s.links = links{s: s, all: map[string]*link{}}
	s.transport = transport.New(transport.Config{
		Handler: s.receive, Network: cfg.Network, KeepAlive: s.keepsAlive,
		Gate: cfg.Gate, Trace: s.trace, TLS: cfg.TLS, Logger: cfg.Logger, Closed: s.connClosed,
	})
	if s.resolver = cfg.Resolver; s.resolver == nil {
		s.resolver = resolve.New(resolve.Config{Reaches: s.Reaches})
	}
	s.layer = transaction.New(transaction.Config{Send: s.transport.Send, User: s, Timers: cfg.Timers})
	return s
}

// Reaches reports whether this host has a route to an address.
func (s *Server) Reaches(a netip.Addr) bool {
	return s.transport.Source(netip.AddrPortFrom(a, 5060)).IsValid()
}

// receive handles one message and what calls make of it. What comes before
// Start waits: it may belong to a call that is being made again.
func (s *Server) receive(m wire.Message, p transport.Path, _ int) {
	select {
	case <-s.begun:
	case <-s.ctx.Done():
		return
	}
	s.cfg.Calls.Enter()
	defer s.cfg.Calls.Leave()
	if s.layer.Receive(m, p) {
		s.report(p, transport.Useful)
	}
}

// report tells the gate what became of a message; a connection over which somebody
// proved himself stays.
func (s *Server) report(p transport.Path, kind transport.FactKind) {
	if kind == transport.Proved {
		s.transport.Keep(p)
	}
	if s.cfg.Gate != nil {
		s.cfg.Gate.Report(transport.Fact{Peer: p.Remote, Protocol: p.Protocol, Kind: kind})
	}
}

// SetCalls says where incoming calls go, before Listen.
func (s *Server) SetCalls(c Calls) { s.cfg.Calls = c }

// Reconfigure replaces the settings; calls live on.
func (s *Server) Reconfigure(set Settings) {
	if old := s.settings.Swap(&set); old.External != set.External {
		s.links.renew() // what carriers were told of us holds no more
	}
}

// Listen opens a socket: proto udp, tcp or tls.
func (s *Server) Listen(proto transport.Protocol, addr string) (netip.AddrPort, error) {
	var local netip.AddrPort
	var err error
	if proto == transport.UDP {
		local, err = s.transport.ListenUDP(addr)
	} else {
		local, err = s.transport.ListenTCP(addr, proto == transport.TLS)
	}
	if err != nil {
		return local, err
	}
	s.mu.Lock()
	if _, ok := s.ports[proto]; !ok {
		s.ports[proto] = local.Port()
	}
	s.mu.Unlock()
	return local, nil
}

// WebSocket takes the WebSockets of browsers from an HTTP server over TLS, which
// listens on a port.
func (s *Server) WebSocket(port uint16) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.ports[transport.WSS]; !ok {
		s.ports[transport.WSS] = port
	}
	return http.HandlerFunc(s.transport.WebSocket)
}

// Start begins to take messages, keep-alives, expiry and NOTIFYs: once, after
// Revive.
func (s *Server) Start() {
	close(s.begun)
	s.cfg.Bindings.Each(func(b *directory.Binding) { // who was registered when the last process ended
		if !b.IAX2() {
			s.report(transport.Path{Protocol: transport.Protocol(b.Transport), Remote: b.Received}, transport.Proved)
		}
	})
	if s.watch != nil {
		s.wg.Go(func() { s.watch.Run(s.ctx) })
	}
	s.TrunksChanged()
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.upkeep()
	}()
}

// Settle waits until the last goodbyes are answered, or ctx ends.
func (s *Server) Settle(ctx context.Context) {
	for s.legCount() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settlePoll):
		}
	}
}

const settlePoll = 10 * time.Millisecond

func (s *Server) legCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.legs)
}

// Close ends the sockets. Calls should be over by then.
func (s *Server) Close() error {
	s.cancel()
	s.links.stop()
	err := s.transport.Close()
	s.wg.Wait()
	return err
}

// Transport gives the transport's counts.
func (s *Server) Transport() *transport.Counts { return &s.transport.Counts }

// Totals gives the server's counts.
func (s *Server) Totals() *Counts { return &s.counts }

// Transactions gives those alive.
func (s *Server) Transactions() (servers, clients int) { return s.layer.Count() }

// Methods that we take, for Allow.
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, UPDATE, SUBSCRIBE, PUBLISH, MESSAGE, REFER, PRACK"

// supported are the extensions that a Require may name.
var supported = map[string]bool{"timer": true, "replaces": true, hundredRel: true, "norefersub": true, "answermode": true, "histinfo": true, "eventlist": true}

// tags are those that a call may make use of, for Supported.
const tags = "timer, replaces, norefersub, " + hundredRel

type responder interface {
	Respond(*wire.Response) []byte
	RespondOnce(*wire.Response)
	Forget()
	SetTag(string)
	Key() string
}

var _ transaction.User = (*Server)(nil)

// Request takes a request from the transaction layer (transaction.User).
func (s *Server) Request(tx *transaction.Server, req *wire.Request, p transport.Path) {
	s.counts.Requests.Add(1)
	if tag, ok := req.To().Params.Get("tag"); ok && tag != "" {
		if req.Method == wire.SUBSCRIBE && s.watch != nil && s.watch.Has(tag) {
			s.resubscribe(tx, req, p, tag)
			return
		}
		s.inDialog(tx, req, p, tag)
		return
	}
	if tx == nil {
		return // an ACK to nothing
	}
	if bad := unsupported(req); bad != "" && req.Method != wire.CANCEL {
		res := s.reply(req, wire.StatusBadExtension, "Bad Extension")
		res.AppendHeader(wire.NewHeader("Unsupported", bad))
		tx.RespondOnce(res)
		return
	}
	switch req.Method {
	case wire.INVITE:
		s.invite(tx, req, p)
	case wire.REGISTER:
		s.register(tx, req, p)
	case wire.OPTIONS:
		s.options(tx, req)
	case wire.SUBSCRIBE:
		s.subscribe(tx, req, p)
	case wire.PUBLISH:
		s.publish(tx, req, p)
	case wire.BYE, wire.INFO, wire.UPDATE, wire.NOTIFY, wire.PRACK:
		tx.RespondOnce(s.reply(req, wire.StatusCallTransactionDoesNotExists, "No such call"))
	case wire.MESSAGE:
		s.message(tx, req, p)
	case wire.REFER:
		tx.RespondOnce(s.reply(req, wire.StatusForbidden, "Only a call can be referred"))
	default:
		tx.RespondOnce(s.withAllow(s.reply(req, wire.StatusNotImplemented, "Not Implemented")))
	}
}

// Cancelled is the caller giving up (transaction.User).
func (s *Server) Cancelled(invite *transaction.Server, cancel *wire.Request) {
	if l := s.leg(invite.Tag()); l != nil {
		l.cancelled(invite, cancel)
	}
}

// Stray takes a response to no transaction (transaction.User). A 2xx to an
// INVITE that was retransmitted past its transaction is acknowledged if its
// dialog is ours; everything else is dropped.
func (s *Server) Stray(res *wire.Response, _ transport.Path) {
	if !res.IsSuccess() || res.CSeq().MethodName != wire.INVITE {
		return
	}
	tag, _ := res.From().Params.Get("tag")
	if l := s.leg(tag); l != nil && l.knows(res) {
		l.answered2xx(res)
	}
}

func (s *Server) inDialog(tx *transaction.Server, req *wire.Request, p transport.Path, tag string) {
	l := s.leg(tag)
	if l == nil || !l.matches(req) {
		if tx != nil {
			tx.RespondOnce(s.reply(req, wire.StatusCallTransactionDoesNotExists, "No such dialog"))
		}
		return
	}
	s.report(p, transport.Useful)
	l.request(tx, req, p)
}

func (s *Server) leg(tag string) *leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.legs[tag]
}

func (s *Server) addLeg(l *leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.legs[l.localTag] = l
	if l.party == call.Stranger {
		s.guests[l] = transport.HostOf(l.path.Remote)
	}
}

func (s *Server) dropLeg(l *leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.legs[l.localTag] == l { // the dialog of a fork that was let go has the same tag
		delete(s.legs, l.localTag)
		delete(s.guests, l)
		l.unseat()
	}
	if l.mergeKey != "" {
		delete(s.merges, l.mergeKey)
	}
}

// reply makes a response that says what we are.
func (s *Server) reply(req *wire.Request, code int, reason string) *wire.Response {
	res := transaction.Reply(req, code, reason)
	res.AppendHeader(wire.NewHeader("Server", s.product()))
	return res
}

// trying makes a 100 if there is need of one.
func (s *Server) trying(req *wire.Request) func() *wire.Response {
	return func() *wire.Response { return s.reply(req, wire.StatusTrying, "Trying") }
}

func (s *Server) product() string { return "Tincan" }

func (s *Server) withAllow(res *wire.Response) *wire.Response {
	res.AppendHeader(wire.NewHeader("Allow", allow))
	return res
}

func (s *Server) options(tx *transaction.Server, req *wire.Request) {
	res := s.withAllow(s.reply(req, wire.StatusOK, "OK"))
	res.AppendHeader(wire.NewHeader("Accept", "application/sdp"))
	res.AppendHeader(wire.NewHeader("Supported", tags+", eventlist"))
	if s.watch != nil {
		res.AppendHeader(wire.NewHeader("Allow-Events", s.watch.Events()))
	}
	tx.RespondOnce(res)
}

// unsupported gives the option tags of Require that we do not know.
func unsupported(req *wire.Request) string {
	var bad []string
	for _, tag := range tokens(req, "Require", "") {
		if !supported[tag] && req.Method != wire.REGISTER {
			bad = append(bad, tag)
		}
	}
	return strings.Join(bad, ", ")
}

// named gives a message's headers of a name. It is asked for many that few messages
// have, and sipgo's own search makes every name of the message anew, in lower case.
func named(m wire.Message, name string) iter.Seq[wire.Header] {
	return func(yield func(wire.Header) bool) {
		list, ok := m.(interface{ Headers() []wire.Header })
		if !ok {
			return
		}
		for _, h := range list.Headers() {
			if strings.EqualFold(h.Name(), name) && !yield(h) {
				return
			}
		}
	}
}

// tokens gives the comma-separated values of a header, under its long and its
// compact name, in lower case.
func tokens(m wire.Message, name, compact string) (out []string) {
	for _, n := range []string{name, compact} {
		if n == "" {
			continue
		}
		for h := range named(m, n) {
			for _, t := range strings.Split(h.Value(), ",") {
				if t = strings.ToLower(strings.TrimSpace(t)); t != "" {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

func header(m wire.Message, names ...string) string {
	for _, n := range names {
		for h := range named(m, n) {
			return h.Value()
		}
	}
	return ""
}

// clip bounds what a stranger can write into a log.
func clip(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "..."
	}
	return s
}

// identify says who sent a request: a source that matches a live binding, then
// Authorization, then a trunk's match, then the Contact that a trunk was given.
// The first two name an account, which proves itself by digest: a datagram's
// source is too easily forged to be proof. It answers the request itself when it cannot say.
func (s *Server) identify(tx responder, req *wire.Request, p transport.Path) (call.Party, bool) {
	now := time.Now()
	who, v := s.authenticate(req, p, now)
	if v == rightCredentials && (who.Trunk != nil || !s.foreign(req)) {
		return party(who, req), true
	}
	if trunk, ok := s.trunkOf(req, p); ok && !s.bound(req, p) && v == noCredentials {
		s.report(p, transport.Proved)
		return trunkParty(trunk, req), true
	}
	if s.foreign(req) {
		s.refuseForeign(tx, req)
		return call.Party{}, false
	}
	if v == wrongCredentials {
		s.refused(p, req, s.credentials(req).Username, "wrong secret or unknown extension")
	}
	s.counts.Challenged.Add(1)
	s.challenge(tx, req, v == staleNonce, now)
	return call.Party{}, false
}

// party is an account as a call's party. What it says of itself counts for a trunk
// alone.
func party(a *directory.Account, req *wire.Request) call.Party {
	if a.Trunk != nil {
		return trunkParty(a.Trunk, req)
	}
	e := a.Extension
	return call.Party{Ref: "extension:" + e.Number, Number: e.Number, Name: e.Name, Codecs: e.Codecs, Private: private(req)}
}

// bound reports whether a request comes from where a device is registered.
func (s *Server) bound(req *wire.Request, p transport.Path) bool {
	_, ok := s.cfg.Bindings.Source(p.Remote, string(p.Protocol))
	return ok || s.cfg.Bindings.HasSource(p.Remote, string(p.Protocol), userOf(&req.From().Address))
}

func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return strings.ToValidUTF8(s, "?")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if c := byte(hi<<4 | lo); hi >= 0 && lo >= 0 && c >= ' ' && c != 0x7f { // no line ends
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "?") // records are text
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

var errNoFlow = errors.New("the device's connection is gone")
