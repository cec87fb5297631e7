package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tincan/phone/call"
)

func callsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "calls", Short: "List the calls of this moment", Args: takes(),
		Long: `Lists the calls of this moment with their legs and what is wrong with their sound,
or ends one. An ID is what tincan quality and tincan trace --call take.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.server()
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var list []call.Snapshot
			if err := c.do(cmd.Context(), http.MethodGet, "/calls", nil, nil, &list); err != nil {
				return err
			}
			return printCalls(o, list)
		},
	}
	cmd.AddCommand(hangupCommand(o))
	return cmd
}

func hangupCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "hangup ID", Short: "End a call", Args: takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			c, err := o.server()
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var ended struct {
				Ended string `json:"ended"`
			}
			err = c.do(cmd.Context(), http.MethodPost, "/hangup/"+url.PathEscape(args[0]), nil, nil, &ended)
			if err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, ended)
			}
			_, err = fmt.Fprintf(o.out, "call %s is ended\n", plain(ended.Ended))
			return err
		},
	}
}

func printCalls(o *options, list []call.Snapshot) error {
	if o.json {
		return printJSON(o.out, list)
	}
	var rows [][]string
	for _, c := range list {
		rows = append(rows, callRow(c))
		for _, leg := range c.Legs {
			rows = append(rows, legRow(leg))
			for _, trouble := range leg.Troubles {
				rows = append(rows, []string{"  !", "", trouble})
			}
		}
	}
	return table(o.out, "no calls", []string{"ID", "STATE", "FROM", "TO", "FOR", "CARRIED"}, rows)
}

func callRow(c call.Snapshot) []string {
	to := c.To
	if to == "" {
		to = c.Dialled
	}
	since := c.Start
	if !c.Answered.IsZero() {
		since = c.Answered
	}
	return []string{c.ID, c.State, c.From, to, span(time.Since(since)), carriedBy(c)}
}

// carriedBy tells the ways of a call's streams, with why the kernel does not
// take those that are relayed.
func carriedBy(c call.Snapshot) string {
	ways := slices.Clone(c.Ways)
	for i, why := range c.NotKernel {
		if why != "" {
			ways[i] += ": " + plain(why)
		}
	}
	return strings.Join(ways, ", ")
}

func legRow(l call.LegView) []string {
	notes := l.Codec
	if l.CodecBy != "" {
		notes += " (" + l.CodecBy + ")"
	}
	if l.Encryption != "" {
		notes += ", encrypted: " + l.Encryption
	}
	if l.Held {
		notes = strings.TrimSpace(notes + " on hold")
	}
	return []string{"  leg", "", l.Party, l.Remote, "", notes}
}
