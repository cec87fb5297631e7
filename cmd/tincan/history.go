package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"tincan/space"
)

func historyCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "List the changes that were made to extensions, trunks and routes", Args: takes(),
		Long: `Lists the changes that were made, the latest first. tincan revert NUMBER goes back to
what one of them made.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.onlyLooking(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var list []space.Version
			if err := c.do(cmd.Context(), http.MethodGet, "/history", nil, nil, &list); err != nil {
				return err
			}
			return printHistory(o, list)
		},
	}
}

func printHistory(o *options, list []space.Version) error {
	if o.json {
		return printJSON(o.out, list)
	}
	var rows [][]string
	for _, v := range list {
		rows = append(rows, []string{strconv.FormatInt(v.Number, 10), moment(v.Time), v.Who, v.Summary})
	}
	return table(o.out, "nothing was changed yet", []string{"VERSION", "TIME", "BY", "CHANGE"}, rows)
}

func revertCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "revert VERSION", Short: "Go back to what a version of the history made", Args: takes("VERSION"),
		Long: `Makes extensions, trunks and routes, secrets included, what they were after VERSION.
That is a new version itself, so that it can be reverted too.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.change(cmd.Context(), http.MethodPost, "/revert/"+url.PathEscape(args[0]))
		},
	}
}

// change asks for a change of objects and shows it.
func (o *options) change(ctx context.Context, method, path string) (err error) {
	c, err := o.keeper(ctx)
	if err != nil {
		return err
	}
	defer closing(c, &err)
	var change space.Change
	if err = c.do(ctx, method, path, url.Values{"who": {who()}}, nil, &change); err != nil {
		return err
	}
	return printChange(o, &change, false)
}
