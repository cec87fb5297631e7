package load

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	wire "github.com/emiago/sipgo/sip"
)

const (
	// setupPatience bounds one call's set-up.
	setupPatience = 10 * time.Second

	// maxMessageBytes holds an answer to OPTIONS.
	maxMessageBytes = 1500

	// hangUpPatience bounds one call's end.
	hangUpPatience = 5 * time.Second
)

// Switchboard is both parties of every call: it calls a number at the server
// and answers what the server sends on. Calls are set up one after the other,
// so that the INVITE that comes belongs to the call that was just made.
type Switchboard struct {
	own    string // host:port it listens on
	server wire.Uri
	agent  *sipgo.UserAgent
	in     *sipgo.DialogServerCache
	out    *sipgo.DialogClientCache
	conn   net.PacketConn
	ended  chan struct{}
	next   chan *setup // the call being set up; its INVITE takes it
	calls  []*sipgo.DialogClientSession
	takes  Codec // what it answers with
	suite  *Suite
}

// Codec is one of G.711's laws (RFC 3551, table 4).
type Codec struct {
	PT   uint8
	Name string
}

// The laws: what every call is made with, and another for who answers.
var (
	PCMU = Codec{0, "PCMU"}
	PCMA = Codec{8, "PCMA"}
)

// Take sets what calls are answered with from now on, else PCMU.
func (s *Switchboard) Take(c Codec) { s.takes = c }

// Encrypt makes calls from now on encrypted.
func (s *Switchboard) Encrypt(suite *Suite) { s.suite = suite }

// setup is a call on its way: B's leg fills in where its sound goes.
type setup struct {
	call Call
	toB  chan netip.AddrPort
}

// NewSwitchboard listens on own (host:port, UDP) and will call number at server
// (host:port). Close ends it.
func NewSwitchboard(own, server, number string) (*Switchboard, error) {
	s := &Switchboard{own: own, takes: PCMU, ended: make(chan struct{}), next: make(chan *setup, 1)}
	if err := wire.ParseUri("sip:"+number+"@"+server, &s.server); err != nil {
		return nil, err
	}
	var contact wire.ContactHeader
	if err := wire.ParseUri("sip:load@"+own, &contact.Address); err != nil {
		return nil, err
	}
	agent, err := sipgo.NewUA()
	if err != nil {
		return nil, err
	}
	s.agent = agent
	listener, err := sipgo.NewServer(agent)
	if err != nil {
		return nil, err
	}
	client, err := sipgo.NewClient(agent, sipgo.WithClientConnectionAddr(own))
	if err != nil {
		return nil, err
	}
	s.in = sipgo.NewDialogServerCache(client, contact)
	s.out = sipgo.NewDialogClientCache(client, contact)
	s.handle(listener)
	conn, err := net.ListenPacket("udp4", own)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	go func() {
		defer close(s.ended)
		_ = listener.ServeUDP(conn) // ends when Close closes the socket
	}()
	if err := s.awaitServing(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// awaitServing asks ourselves until we answer: a request that sipgo sends before
// it serves the socket would open another on the same port, and fail.
func (s *Switchboard) awaitServing() error {
	conn, err := net.Dial("udp4", s.own)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(setupPatience)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "OPTIONS sip:load@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bKself;rport\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:self@%[1]s>;tag=self\r\nTo: <sip:load@%[1]s>\r\nCall-ID: self@%[2]s\r\n"+
		"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", s.own, conn.LocalAddr())
	if err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, maxMessageBytes)); err != nil {
		return fmt.Errorf("listen on %s: no answer from ourselves: %w", s.own, err)
	}
	return nil
}

func (s *Switchboard) handle(listener *sipgo.Server) {
	listener.OnInvite(s.answer)
	listener.OnAck(func(r *wire.Request, tx wire.ServerTransaction) { _ = s.in.ReadAck(r, tx) })
	listener.OnBye(func(r *wire.Request, tx wire.ServerTransaction) {
		if s.in.ReadBye(r, tx) != nil {
			_ = s.out.ReadBye(r, tx) // a stray one is answered with 481 by nobody
		}
	})
	listener.OnOptions(func(r *wire.Request, tx wire.ServerTransaction) {
		_ = tx.Respond(wire.NewResponseFromRequest(r, wire.StatusOK, "OK", nil))
	})
}

// answer takes the leg that the server makes of the call being set up.
func (s *Switchboard) answer(r *wire.Request, tx wire.ServerTransaction) {
	leg, err := s.in.ReadInvite(r, tx)
	if err != nil {
		return
	}
	select {
	case pending := <-s.next:
		to, err := mediaAddress(r.Body())
		if err != nil {
			_ = leg.Respond(wire.StatusNotAcceptableHere, "Not Acceptable Here", nil)
			return
		}
		tag, err := pending.call.guardB.hear(r.Body())
		if err != nil {
			_ = leg.Respond(wire.StatusNotAcceptableHere, "Not Acceptable Here", nil)
			return
		}
		pending.toB <- to
		if err := leg.RespondSDP(description(pending.call.B, s.takes, pending.call.guardB, tag)); err != nil {
			return
		}
		<-leg.Context().Done()
	default:
		_ = leg.Respond(wire.StatusBusyHere, "Busy Here", nil)
	}
}

// Call sets up one call and returns its media.
func (s *Switchboard) Call(ctx context.Context) (Call, error) {
	ctx, cancel := context.WithTimeout(ctx, setupPatience)
	defer cancel()
	call, err := Listen()
	if err != nil {
		return Call{}, err
	}
	if err := s.setUp(ctx, &call); err != nil {
		call.Close()
		return Call{}, fmt.Errorf("set up call %d: %w", len(s.calls)+1, err)
	}
	return call, nil
}

func (s *Switchboard) setUp(ctx context.Context, call *Call) error {
	var err error
	if call.guardA, err = newGuard(s.suite); err != nil {
		return err
	}
	if call.guardB, err = newGuard(s.suite); err != nil {
		return err
	}
	pending := &setup{call: *call, toB: make(chan netip.AddrPort, 1)}
	s.next <- pending
	if call.ToA, err = s.invite(ctx, call.A, call.guardA); err != nil {
		return err
	}
	call.ToB, call.FromB = <-pending.toB, s.takes
	return nil
}

// invite makes a leg with a socket's sound, and tells where that goes.
func (s *Switchboard) invite(ctx context.Context, conn *net.UDPConn, g *guard) (netip.AddrPort, error) {
	leg, err := s.out.Invite(ctx, s.server, description(conn, PCMU, g, "1"), wire.NewHeader("Content-Type", "application/sdp"))
	if err != nil {
		return netip.AddrPort{}, err
	}
	if err := leg.WaitAnswer(ctx, sipgo.AnswerOptions{}); err != nil {
		return netip.AddrPort{}, err
	}
	if err := leg.Ack(ctx); err != nil {
		return netip.AddrPort{}, err
	}
	s.calls = append(s.calls, leg)
	if _, err := g.hear(leg.InviteResponse.Body()); err != nil {
		return netip.AddrPort{}, err
	}
	return mediaAddress(leg.InviteResponse.Body())
}

// Enter sets up two calls to a number that answers by itself, as the two parties of
// a Call.
func (s *Switchboard) Enter(ctx context.Context) (Call, error) {
	ctx, cancel := context.WithTimeout(ctx, setupPatience)
	defer cancel()
	call, err := Listen()
	if err != nil {
		return Call{}, err
	}
	call.FromB = PCMU
	if call.ToA, err = s.invite(ctx, call.A, nil); err == nil {
		call.ToB, err = s.invite(ctx, call.B, nil)
	}
	if err != nil {
		call.Close()
		return Call{}, fmt.Errorf("set up call %d: %w", len(s.calls)+1, err)
	}
	return call, nil
}

// Close hangs up every call and stops listening.
func (s *Switchboard) Close() {
	for _, leg := range s.calls {
		ctx, cancel := context.WithTimeout(context.Background(), hangUpPatience)
		_ = leg.Bye(ctx) // the server may be gone
		cancel()
		_ = leg.Close()
	}
	_ = s.agent.Close()
	_ = s.conn.Close()
	<-s.ended
}

// description offers or answers a codec at a socket's port (RFC 8866), with the key
// that it is encrypted with under a number.
func description(conn *net.UDPConn, c Codec, g *guard, tag string) []byte {
	port := conn.LocalAddr().(*net.UDPAddr).Port
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d %s %d\r\na=rtpmap:%[3]d %s/8000\r\n%s", port, g.profile(), c.PT, c.Name, g.line(tag))
}

// mediaAddress is where a description wants its sound: the last c= line above
// or below its first m= line, which is all that one audio stream needs.
func mediaAddress(description []byte) (netip.AddrPort, error) {
	var ip, port string
	for line := range strings.Lines(string(description)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "c=IN":
			ip = words[2]
		case len(words) > 1 && words[0] == "m=audio" && port == "":
			port = words[1]
		}
	}
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("no address in the description %q", description)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return netip.AddrPort{}, fmt.Errorf("no audio port in the description %q", description)
	}
	return netip.AddrPortFrom(address, uint16(n)), nil
}
