package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func traceCommand(o *options) *cobra.Command {
	var call, extension string
	var verbose bool
	cmd := &cobra.Command{
		Use: "trace", Short: "Show messages of SIP and IAX2 as they come and go", Args: takes(),
		Long: `Shows messages of SIP, and frames of IAX2 but those of sound, as they come and go,
until Ctrl-C: the phone on the left, this server on the right. Secrets in them are masked. --json prints a message a line.

A call's ID is that of tincan calls; it has a Call-ID of its own on each leg. An
extension's messages are those of its devices, and all from or to its number.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.server()
			if err != nil {
				return err
			}
			defer closing(c, &err)
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return trace(ctx, o, c, url.Values{"call": {call}, "extension": {extension}}, verbose)
		},
	}
	cmd.Flags().StringVar(&call, "call", "", "only the call with this `ID`")
	cmd.Flags().StringVar(&extension, "extension", "", "only this extension's `number`")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print whole messages")
	cmd.MarkFlagsMutuallyExclusive("call", "extension")
	return cmd
}

// trace prints messages until ctx ends or the server does.
func trace(ctx context.Context, o *options, c *client, q url.Values, whole bool) error {
	res, err := c.open(ctx, http.MethodGet, "/trace", q, nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	show := func(line []byte) error {
		_, err := o.out.Write(line)
		return err
	}
	if !o.json {
		if err := ladderTitle(o.out); err != nil {
			return err
		}
		show = func(line []byte) error {
			var m traced
			if err := json.Unmarshal(line, &m); err != nil {
				return fmt.Errorf("the server's trace: %w", err)
			}
			return rung(o.out, &m, whole)
		}
	}
	return eachLine(ctx, res.Body, show)
}

func eachLine(ctx context.Context, r io.Reader, show func([]byte) error) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		switch {
		case ctx.Err() != nil:
			return nil // Ctrl-C is how a trace ends
		case err != nil:
			return errors.New("the trace ended: the server stopped")
		}
		if err := show(line); err != nil {
			return err
		}
	}
}
