// Command tincan is the phone server and what controls it.
//
//	tincan serve ──> server (server.go): store, directory, sip, media, calls
//	     ^  control socket (control.go): HTTP over a Unix socket in the data folder
//	     │     status, calls, registrations, trace: of the server alone
//	     │     objects (objects.go): extensions, history, records ...
//	tincan COMMAND ── client (client.go)      │
//	     └─ no server runs: the same objects within the command (alone.go)
//
// Each command has a file. What a person reads comes from a stranger now and then:
// it passes plain (print.go) before it reaches a terminal.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tincan/config"
	"tincan/config/form"
)

// Set by the linker (see Makefile).
var (
	version = "dev"
	commit  = "unknown"
)

func main() {
	if err := command(os.Stdout, os.Stderr).Execute(); err != nil {
		os.Exit(explain(os.Stderr, err))
	}
}

// explain says what went wrong and gives the code to end with. Faults of a file
// stand on lines of their own, so that editors find the places.
func explain(w io.Writer, err error) int {
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	var faults form.Faults
	between := " "
	if errors.As(err, &faults) || strings.Contains(err.Error(), "\n") {
		between = " this must be put right first:\n"
	}
	_, _ = fmt.Fprintf(w, "tincan:%s%v\n", between, err)
	return 1
}

// exitCode is an error that ends the process with its own code; what is wrong was
// said already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("ends with code %d", int(e)) }

// options are the flags that every command takes.
type options struct {
	config string
	json   bool
	out    io.Writer
	err    io.Writer
}

// load reads the configuration that the flags name.
func (o *options) load() (*config.Config, error) { return config.Load(o.config) }

func command(out, errOut io.Writer) *cobra.Command {
	o := &options{out: out, err: errOut}
	root := &cobra.Command{
		Use:           "tincan",
		Short:         "The phone server of a hackerspace, a lab or a home",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.PersistentFlags().StringVar(&o.config, "config", "", "configuration `file`; without it ./tincan.toml, and if that is not there defaults")
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	root.AddCommand(serveCommand(o), versionCommand(o))
	root.AddCommand(
		applyCommand(o), exportCommand(o), historyCommand(o), revertCommand(o), extensionCommand(o), trunkCommand(o),
		statusCommand(o), callsCommand(o), playCommand(o), recordCommand(o), mixCommand(o), recordsCommand(o), qualityCommand(o), registrationsCommand(o), trunksCommand(o), messageCommand(o), traceCommand(o),
		doctorCommand(o),
	)
	return root
}

func versionCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version and commit", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if o.json {
				return printJSON(o.out, map[string]string{"version": version, "commit": commit})
			}
			_, err := fmt.Fprintf(o.out, "tincan %s (commit %s)\n", version, commit)
			return err
		},
	}
}
