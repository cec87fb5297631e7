package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tincan/config"
	"tincan/phone/dialplan"
	"tincan/phone/message"
)

// expireEvery is how often messages that waited too long are looked for.
const expireEvery = 10 * time.Minute

// operator is the sender of what `tincan message send` sends.
const operator = "server"

// openTexts makes the desk for text messages, and delivers what waits as devices
// register.
func (s *server) openTexts(ctx context.Context, _ *config.Config) (err error) {
	s.texts, err = message.Open(ctx, message.Config{
		Store: s.store, Bus: &s.bus, Logger: s.log, Carriers: []message.Carrier{s.sip, s.iax2}, Trunks: s.sip, Route: s.routeText, NewID: newID,
	})
	if err != nil {
		return err
	}
	s.onClose(s.texts.Close)
	s.retainTexts() // of extensions that went while no server ran
	s.sip.SetTexts(s.texts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.onClose(func() error { cancel(); <-done; return nil })
	go func() {
		defer close(done)
		tick := time.NewTicker(expireEvery)
		defer tick.Stop()
		for {
			s.texts.Expire()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return nil
}

func (s *server) retainTexts() {
	if s.texts == nil { // still starting
		return
	}
	snap := s.directory.Snapshot()
	s.texts.Retain(func(number string) bool { _, ok := snap.Extension(number); return ok })
}

// routeText gives the destination that a number means to a sender: as for a call.
func (s *server) routeText(from, number string) (string, bool) {
	d, ok := dialplan.Destination{Kind: "extension", Name: number}, true
	if from != operator {
		d, ok = s.plan.Find(from, number)
	}
	if ok && d.Kind == "extension" {
		_, ok = s.directory.Snapshot().Extension(d.Name)
	}
	return d.String(), ok
}

// wantedText is what `tincan message send` asks for.
type wantedText struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// sentText is what became of it.
type sentText struct {
	To   string `json:"to"`
	Step string `json:"step"` // taken or kept
}

func (s *server) sendText(r *http.Request) (any, error) {
	var want wantedText
	if err := readBody(r, &want); err != nil {
		return nil, err
	}
	if want.Text == "" || !utf8.ValidString(want.Text) {
		return nil, fmt.Errorf("the text is empty or not UTF-8")
	}
	got := make(chan message.Result, 1)
	s.texts.Send(message.Message{
		From: operator, Number: "tincan", Name: "Tincan", To: want.To,
		Type: "text/plain;charset=UTF-8", Body: []byte(want.Text),
	}, func(res message.Result) { got <- res })
	select {
	case res := <-got:
		switch res.Verdict {
		case message.Taken:
			return sentText{want.To, "taken"}, nil
		case message.Kept:
			return sentText{want.To, "kept"}, nil
		case message.Unknown:
			return nil, noExtension(want.To)
		}
		return nil, fmt.Errorf("the message was not sent: %s", res.Text)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// waitingText is a line of `tincan message list`.
type waitingText struct {
	To      string    `json:"to"`
	From    string    `json:"from"`
	Type    string    `json:"type"`
	Bytes   int       `json:"bytes"`
	Since   time.Time `json:"since"`
	Expires time.Time `json:"expires"`
}

// maxTexts bounds the messages of one answer.
const maxTexts = 1000

func (o *objects) waitingTexts(r *http.Request) (any, error) {
	all, err := message.List(r.Context(), o.store, maxTexts)
	list := make([]waitingText, len(all))
	for i := range all {
		m := &all[i]
		list[i] = waitingText{m.To, m.From, m.Type, len(m.Body), m.Sent, m.Expires}
	}
	return list, err
}

func messageCommand(o *options) *cobra.Command {
	return group(&cobra.Command{
		Use: "message", Short: "Send a text message to an extension, list those that wait",
	}, messageSend(o), messageList(o))
}

func messageSend(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "send NUMBER TEXT", Short: "Send a text message", Args: takes("NUMBER", "TEXT"),
		Long: `Sends a text message to all devices of an extension. If none takes it, it waits until
one registers.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			c, err := o.server()
			if err != nil {
				return err
			}
			defer closing(c, &err)
			body, err := json.Marshal(wantedText{args[0], args[1]})
			if err != nil {
				return err
			}
			var sent sentText
			if err := c.do(cmd.Context(), http.MethodPost, "/messages", nil, body, &sent); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, sent)
			}
			text := "a device of %s has it\n"
			if sent.Step == "kept" {
				text = "it waits until a device of %s registers\n"
			}
			_, err = fmt.Fprintf(o.out, text, plain(sent.To))
			return err
		},
	}
}

func messageList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the messages that wait until a device registers", Args: takes(),
		Long: `Lists the messages that wait until a device of their extension registers. What they
say is for their receivers.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.onlyLooking(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var list []waitingText
			if err := c.do(cmd.Context(), http.MethodGet, "/messages", nil, nil, &list); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, list)
			}
			var rows [][]string
			for _, m := range list {
				rows = append(rows, []string{m.To, m.From, moment(m.Since), span(time.Until(m.Expires)), strconv.Itoa(m.Bytes), m.Type})
			}
			return table(o.out, "no message waits", []string{"TO", "FROM", "SINCE", "EXPIRES IN", "BYTES", "TYPE"}, rows)
		},
	}
}
