package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func statusCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how the running server does", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.server()
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var st status
			if err := c.do(cmd.Context(), http.MethodGet, "/status", nil, nil, &st); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, st)
			}
			return printStatus(o.out, st)
		},
	}
}

func printStatus(w io.Writer, st status) error {
	var sockets []string
	for _, s := range st.Sockets {
		sockets = append(sockets, s.Proto+" "+s.Addr.String())
	}
	told := "its own"
	if st.External != "" {
		told = st.External
	}
	held := fmt.Sprintf("%d messages of strangers held back", st.HeldBack)
	if st.GateOff {
		held = "open to everybody"
	}
	_, err := fmt.Fprintf(w, `tincan %s (commit %s) runs as process %d since %s (%s)
calls          %d now, %d since the start
registrations  %s; %s, %s
store          %s
media          %d of %d pairs of RTP ports in use
kernel relay   %s
gate           %s
addresses      %s
told outside   %s
`, st.Version, st.Commit, st.PID, moment(st.Started), span(time.Since(st.Started)), st.Calls, st.CallsTotal,
		count(st.Registrations, "device"), count(st.Extensions, "extension"), count(st.Trunks, "trunk"),
		st.Store, st.PortsUsed, st.PortsTotal, st.Kernel, held, strings.Join(sockets, ", "), told)
	return err
}
