package main

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"tincan/phone/sip"
)

func trunksCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "trunks", Short: "Show how the trunks do", Args: takes(),
		Long: `Shows how each trunk does: its state and since when, where it was reached last,
how many calls are in and out at present, and what went wrong last. States:
registering, registered, waiting (to try again), refused (asked again in an hour, or
at the next change of the trunk); registered here, not registered here; up and down
where qualify is set; not watched.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.server()
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var list []sip.TrunkStatus
			if err := c.do(cmd.Context(), http.MethodGet, "/trunks/state", nil, nil, &list); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, list)
			}
			return table(o.out, "no trunks; make one: tincan trunk add NAME", []string{"NAME", "STATE", "SINCE", "AT", "IN", "OUT", "LAST ERROR"}, trunkRows(list))
		},
	}
}

func trunkRows(list []sip.TrunkStatus) (rows [][]string) {
	for _, t := range list {
		trouble := t.Error
		if trouble != "" && !t.Next.IsZero() {
			trouble += "; again at " + moment(t.Next)
		}
		at := t.Target
		if at == "" {
			at = "-"
		}
		rows = append(rows, []string{t.Name, t.State, moment(t.Since), at, strconv.Itoa(t.In), strconv.Itoa(t.Out), trouble})
	}
	return rows
}
