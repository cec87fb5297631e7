// Command b2b is the bare SIP back-to-back user agent that Tincan's cost of a
// call is compared with: what sipgo alone needs to carry a call from one side to
// the other, with no routing, no records and no media.
//
//	caller ──INVITE──> server dialog │ client dialog ──INVITE──> -to
//
// sipgo runs a goroutine a message; each call keeps one more, in its INVITE's
// handler, until it is over.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/emiago/sipgo"
	wire "github.com/emiago/sipgo/sip"
)

// hangUpPatience bounds the BYE to the other side.
const hangUpPatience = 5 * time.Second

func main() {
	listen := flag.String("listen", "127.0.0.1:5060", "UDP address to take calls on")
	to := flag.String("to", "127.0.0.1:5070", "UDP address that every call goes to")
	flag.Parse()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := serve(*listen, *to); err != nil {
		fmt.Fprintln(os.Stderr, "b2b:", err)
		os.Exit(1)
	}
}

// bridge joins the dialogs of callers and called.
type bridge struct {
	target wire.Uri
	server *sipgo.DialogServerCache
	client *sipgo.DialogClientCache
}

func serve(listen, to string) error {
	var own, target wire.Uri
	if err := wire.ParseUri("sip:b2b@"+listen, &own); err != nil {
		return fmt.Errorf("-listen %s: %w", listen, err)
	}
	if err := wire.ParseUri("sip:9000@"+to, &target); err != nil {
		return fmt.Errorf("-to %s: %w", to, err)
	}
	agent, err := sipgo.NewUA()
	if err != nil {
		return err
	}
	server, err := sipgo.NewServer(agent)
	if err != nil {
		return err
	}
	client, err := sipgo.NewClient(agent, sipgo.WithClientConnectionAddr(listen))
	if err != nil {
		return err
	}
	contact := wire.ContactHeader{Address: own}
	b := &bridge{
		target: target,
		server: sipgo.NewDialogServerCache(client, contact),
		client: sipgo.NewDialogClientCache(client, contact),
	}
	server.OnInvite(b.invite)
	server.OnAck(func(r *wire.Request, tx wire.ServerTransaction) { _ = b.server.ReadAck(r, tx) })
	server.OnBye(b.bye)
	server.OnOptions(func(r *wire.Request, tx wire.ServerTransaction) {
		_ = tx.Respond(wire.NewResponseFromRequest(r, wire.StatusOK, "OK", nil))
	})
	return server.ListenAndServe(context.Background(), "udp", listen)
}

// bye ends the dialog it belongs to, on whichever side that is.
func (b *bridge) bye(r *wire.Request, tx wire.ServerTransaction) {
	if b.server.ReadBye(r, tx) != nil {
		_ = b.client.ReadBye(r, tx) // a BYE of neither is a stray retransmission
	}
}

// invite carries one call until its end.
func (b *bridge) invite(r *wire.Request, tx wire.ServerTransaction) {
	in, err := b.server.ReadInvite(r, tx)
	if err != nil {
		return
	}
	defer func() { _ = in.Close() }()
	out, err := b.client.Invite(in.Context(), b.target, r.Body(), wire.NewHeader("Content-Type", "application/sdp"))
	if err != nil {
		_ = in.Respond(wire.StatusServiceUnavailable, "Service Unavailable", nil)
		return
	}
	defer func() { _ = out.Close() }()
	err = out.WaitAnswer(in.Context(), sipgo.AnswerOptions{OnResponse: func(answer *wire.Response) error {
		if answer.StatusCode == wire.StatusRinging {
			return in.Respond(wire.StatusRinging, "Ringing", nil)
		}
		return nil
	}})
	if err != nil {
		_ = in.Respond(wire.StatusTemporarilyUnavailable, "Temporarily Unavailable", nil)
		return
	}
	if out.Ack(in.Context()) != nil || in.RespondSDP(out.InviteResponse.Body()) != nil {
		return
	}
	stand(in, out)
}

// stand waits until one side hangs up and tells the other.
func stand(in *sipgo.DialogServerSession, out *sipgo.DialogClientSession) {
	hangUp := out.Bye
	select {
	case <-in.Context().Done():
	case <-out.Context().Done():
		hangUp = in.Bye
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangUpPatience)
	defer cancel()
	_ = hangUp(ctx) // the call is over either way
}
