package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows below their titles, or none where there are no rows.
func table(w io.Writer, none string, titles []string, rows [][]string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, none)
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{titles}, rows...) {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = plain(c)
		}
		_, _ = fmt.Fprintln(tw, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return tw.Flush()
}

// plain is text that came from elsewhere, without what a terminal would obey.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '.'
	}, s)
}

// moment is a time for people, in the zone of this machine.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// span is how long something lasts, to the second.
func span(d time.Duration) string { return max(d, 0).Round(time.Second).String() }

// count is a number of things, such as "1 call" or "3 calls".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// takes checks a command's arguments against their names; one in brackets may be
// left out.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for len(args) > 0 && args[len(args)-1] == "" {
			args = args[:len(args)-1] // a variable of a script that is not set
		}
		need := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, "[") })
		if need < 0 {
			need = len(names)
		}
		switch {
		case len(args) < need:
			return fmt.Errorf("%s is missing; write: tincan %s", strings.Join(names[len(args):need], " and "), usage(cmd))
		case len(args) > len(names):
			return fmt.Errorf("%q is too much; write: tincan %s", args[len(names)], usage(cmd))
		}
		return nil
	}
}

func usage(cmd *cobra.Command) string {
	words := cmd.Use
	for c := cmd.Parent(); c != nil && c.HasParent(); c = c.Parent() {
		words = c.Name() + " " + words
	}
	return words
}

// group is a command that has only commands below it.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(below...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return fmt.Errorf("%q is no command of tincan %s; see tincan %[2]s --help", args[0], cmd.Name())
	}
	return cmd
}

// closing ends a client after use, and keeps its error.
func closing(c *client, err *error) { *err = errors.Join(*err, c.close()) }
