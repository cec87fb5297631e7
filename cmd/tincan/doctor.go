package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"tincan/config"
)

func doctorCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong, and say what to do", Args: takes(),
		Long: `Looks at the configuration, the data folder, the store, the key, ports, addresses,
the clock, limits and the certificate. It changes nothing. Ends with code 1 if
something fails; a warning is what works, but not as well as it could.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := examine(cmd.Context(), o)
			if err := printVerdicts(o, list); err != nil {
				return err
			}
			for _, v := range list {
				if v.Verdict == failed {
					return exitCode(1)
				}
			}
			return nil
		},
	}
}

// Verdicts of the doctor.
const (
	fine   = "ok"
	warned = "warn"
	failed = "fail"
)

// verdict is what the doctor found about one thing.
type verdict struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"` // fine, warned or failed
	What    string `json:"what"`
	Do      string `json:"do,omitempty"`
}

// examination gathers verdicts.
type examination struct {
	cfg    *config.Config
	server *status // of the running server; nil: none runs
	list   []verdict
}

func (x *examination) ok(check, what string)       { x.add(check, fine, what, "") }
func (x *examination) warn(check, what, do string) { x.add(check, warned, what, do) }
func (x *examination) fail(check, what, do string) { x.add(check, failed, what, do) }

func (x *examination) add(check, word, what, do string) {
	x.list = append(x.list, verdict{check, word, what, do})
}

// failErr splits an error of this program, which says what and then what to do.
func (x *examination) failErr(check string, err error) {
	what, do, _ := strings.Cut(err.Error(), "; ")
	x.fail(check, what, do)
}

// examine looks at everything; at nothing else while the configuration is wrong.
func examine(ctx context.Context, o *options) []verdict {
	cfg, err := o.load()
	if err != nil {
		return []verdict{{"configuration", failed, err.Error(), "put it right, then run tincan doctor again"}}
	}
	x := &examination{cfg: cfg}
	if cfg.File != "" {
		x.ok("configuration", cfg.File+" reads")
	} else {
		x.ok("configuration", "there is no "+config.DefaultFile+": defaults")
	}
	x.lookForServer(ctx)
	for _, look := range []func(context.Context){
		x.folder, x.key, x.storage, x.ports, x.rtp, x.inside, x.outside, x.clock, x.limits, x.kernel, x.certificate, x.codecs, x.sound,
	} {
		look(ctx)
	}
	return x.list
}

func (x *examination) lookForServer(ctx context.Context) {
	const check = "server"
	c, err := connect(x.cfg.Data)
	if errors.Is(err, errNoServer) {
		x.ok(check, "none runs on the data folder "+whole(x.cfg.Data)+"; the rest is whether one could")
		return
	}
	if err != nil {
		x.failErr(check, err)
		return
	}
	defer func() { _ = c.close() }()
	st := &status{}
	if err := c.do(ctx, http.MethodGet, "/status", nil, nil, st); err != nil {
		x.fail(check, err.Error(), "look at its log")
		return
	}
	x.server = st
	x.ok(check, fmt.Sprintf("runs as process %d, version %s", st.PID, st.Version))
	if st.Version != version || st.Commit != commit {
		x.warn(check, fmt.Sprintf("it is not the version of this command, %s (commit %s)", version, commit), "restart the server if it was upgraded")
	}
}

func printVerdicts(o *options, list []verdict) error {
	if o.json {
		return printJSON(o.out, list)
	}
	var b strings.Builder
	const indent = "                     "
	for _, v := range list {
		fmt.Fprintf(&b, "%-5s %-14s %s\n", v.Verdict, v.Check, strings.ReplaceAll(v.What, "\n", "\n"+indent))
		if v.Do != "" {
			fmt.Fprintf(&b, "%s-> %s\n", indent, v.Do)
		}
	}
	_, err := io.WriteString(o.out, b.String())
	return err
}
