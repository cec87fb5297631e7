package main

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tincan/phone/call/record"
)

// shownRecords is how many records are shown when nobody says: a screen.
const shownRecords = 20

func recordsCommand(o *options) *cobra.Command {
	var limit int
	var party string
	cmd := &cobra.Command{
		Use: "records", Short: "List the calls that ended, the latest first", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.onlyLooking(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			q := url.Values{"limit": {strconv.Itoa(limit)}, "party": {partyOf(party)}}
			var list []record.Record
			if err := c.do(cmd.Context(), http.MethodGet, "/records", q, nil, &list); err != nil {
				return err
			}
			return printRecords(o, list)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", shownRecords, "`number` of records, 1 to "+strconv.Itoa(maxRecords))
	cmd.Flags().StringVar(&party, "party", "", "only calls with this extension's `number`, or a destination such as trunk:load")
	return cmd
}

// partyOf makes a destination of what a person writes for one.
func partyOf(s string) string {
	if s == "" || strings.Contains(s, ":") {
		return s
	}
	return kindExtension + ":" + s
}

func printRecords(o *options, list []record.Record) error {
	if o.json {
		return printJSON(o.out, list)
	}
	var rows [][]string
	for _, r := range list {
		rows = append(rows, recordRow(r))
	}
	return table(o.out, "no calls were recorded", []string{"START", "FROM", "TO", "DIALLED", "TALKED", "ENDED", "BY", "CODECS", "ENCRYPTED", "ID"}, rows)
}

func recordRow(r record.Record) []string {
	talked := "-"
	if !r.Answer.IsZero() {
		talked = span(r.End.Sub(r.Answer))
	}
	var codecs, encrypted []string
	for _, l := range r.Legs {
		if l.Codec != "" {
			codecs = append(codecs, l.Codec)
			way, _, _ := strings.Cut(cmp.Or(l.Encryption, "no"), " ") // the rest is for --json
			encrypted = append(encrypted, strings.TrimSuffix(way, ","))
		}
	}
	return []string{moment(r.Start), r.From, r.To, r.Dialled, talked, r.Cause, r.EndedBy, strings.Join(codecs, "/"), strings.Join(encrypted, "/"), r.ID}
}
