package main

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func registrationsCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "registrations", Short: "List the devices that are registered", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.server()
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var list []registration
			if err := c.do(cmd.Context(), http.MethodGet, "/registrations", nil, nil, &list); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, list)
			}
			var rows [][]string
			for _, r := range list {
				over := r.Transport
				if r.Lost {
					over += ", gone"
				}
				rows = append(rows, []string{r.Extension, over, r.Received, span(time.Until(r.Expires)), r.UserAgent, r.Contact})
			}
			return table(o.out, "no device is registered", []string{"EXTENSION", "OVER", "FROM", "EXPIRES IN", "DEVICE", "CONTACT"}, rows)
		},
	}
}
