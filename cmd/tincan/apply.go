package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tincan/config"
	"tincan/space"
)

func applyCommand(o *options) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "Make extensions, trunks and routes what a space.toml says", Args: takes("FILE"),
		Long: `Makes extensions, trunks and routes what FILE says (- is standard input): whole or
not at all. What is not in FILE goes. Shows the difference; --dry-run only shows it.

A running server takes it up at once; without one the store is changed. Each apply
is a version: see tincan history and tincan revert.`,
		RunE: func(cmd *cobra.Command, args []string) error { return apply(cmd, o, args[0], dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show the difference and change nothing")
	return cmd
}

func apply(cmd *cobra.Command, o *options, file string, dryRun bool) (err error) {
	doc, name, err := readDocument(cmd.InOrStdin(), file)
	if err != nil {
		return err
	}
	open := o.keeper
	if dryRun {
		open = o.onlyLooking
	}
	c, err := open(cmd.Context())
	if err != nil {
		return err
	}
	defer closing(c, &err)
	q := url.Values{"name": {name}, "who": {who()}}
	if dryRun {
		q.Set("dry_run", "true")
	}
	var change space.Change
	if err := c.do(cmd.Context(), http.MethodPost, "/apply", q, doc, &change); err != nil {
		return err
	}
	return printChange(o, &change, dryRun)
}

func readDocument(stdin io.Reader, file string) (doc []byte, name string, err error) {
	in := stdin
	name = "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", fmt.Errorf("%w; name a space.toml, or - for standard input", err)
		}
		defer func() { _ = f.Close() }()
		in, name = f, file
	}
	doc, err = io.ReadAll(io.LimitReader(in, space.MaxDocument+1))
	if err == nil && len(doc) > space.MaxDocument {
		err = fmt.Errorf("%s has more than %d bytes", name, space.MaxDocument)
	}
	return doc, name, err
}

// printChange shows a change, the version that it made, and that of a dry run.
func printChange(o *options, c *space.Change, dryRun bool) error {
	if o.json {
		c.Objects = orEmpty(c.Objects)
		return printJSON(o.out, c)
	}
	text := c.String()
	switch {
	case c.Empty():
	case dryRun:
		text += "nothing is changed yet: this was a dry run\n"
	case c.Version > 0:
		text = strings.TrimSuffix(text, "\n") + fmt.Sprintf(": version %d\n", c.Version)
	}
	_, err := io.WriteString(o.out, text)
	return err
}

func exportCommand(o *options) *cobra.Command {
	var reveal bool
	cmd := &cobra.Command{
		Use: "export", Short: "Print extensions, trunks and routes as a space.toml", Args: takes(),
		Long: `Prints a space.toml that makes the same server when it is applied to an empty one.
Its secrets are sealed and open only with this server's key file; --reveal prints
them plain.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.onlyLooking(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var e exported
			q := url.Values{"reveal": {fmt.Sprint(reveal)}}
			if err := c.do(cmd.Context(), http.MethodGet, "/export", q, nil, &e); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, e)
			}
			_, err = io.WriteString(o.out, e.Document)
			return err
		},
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "print secrets plain")
	return cmd
}

// scratch is a copy of a configuration whose data folder is a new, empty one.
func scratch(cfg *config.Config) (c *config.Config, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "tincan-*")
	if err != nil {
		return nil, nil, err
	}
	c = new(config.Config)
	*c = *cfg
	c.Data = dir
	return c, func() error { return os.RemoveAll(dir) }, nil
}

// both does one thing after the other, whatever becomes of the first.
func both(first, then func() error) func() error {
	return func() error { return errors.Join(first(), then()) }
}
