// Command tincan is the phone server and what controls it.
//
//	tincan serve ──> server (server.go): store, directory, sip, media, calls
//	     ^  control socket (control.go): HTTP over a Unix socket in the data folder
//	tincan apply, status, calls, trace, ... ──┘ or on the store alone
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tincan/config"
)

// Set by the linker (see Makefile).
var (
	version = "dev"
	commit  = "unknown"
)

func main() {
	if err := command(os.Stdout, os.Stderr).Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "tincan:", err)
		var code exitCode
		if errors.As(err, &code) {
			os.Exit(int(code))
		}
		os.Exit(1)
	}
}

// exitCode is an error that ends the process with its own code.
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
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.PersistentFlags().StringVar(&o.config, "config", "", "configuration `file`; tincan.toml of this folder if it is there, else defaults")
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	root.AddCommand(serveCommand(o), versionCommand(o))
	root.AddCommand(clientCommands(o)...)
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
