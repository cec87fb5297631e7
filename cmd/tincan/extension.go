package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func extensionCommand(o *options) *cobra.Command {
	return group(&cobra.Command{
		Use: "extension", Short: "Add, remove and list extensions, and show their secrets",
		Long: `Adds, removes and lists extensions, and shows their secrets. Changes are versions,
as those of tincan apply.`,
	}, extensionAdd(o), extensionRemove(o), extensionList(o), extensionSecret(o))
}

func extensionAdd(o *options) *cobra.Command {
	var want wantedExtension
	cmd := &cobra.Command{
		Use: "add NUMBER", Short: "Add an extension", Args: takes("NUMBER"),
		Long: `Adds an extension and prints the secret that was made for it. Other users of this
machine can see what is written after --secret: - reads a line of standard input.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			want.Number = args[0]
			if want.Secret == "-" {
				if want.Secret, err = readLine(cmd.InOrStdin()); err != nil {
					return fmt.Errorf("the secret: %w", err)
				}
			}
			body, err := json.Marshal(want)
			if err != nil {
				return err
			}
			return o.account(cmd, http.MethodPost, "/extensions", body)
		},
	}
	cmd.Flags().StringVar(&want.Name, "name", "", "what others see")
	cmd.Flags().StringVar(&want.Secret, "secret", "", "the phone's password; made when left out")
	cmd.Flags().StringSliceVar(&want.Codecs, "codec", nil, "a codec that it may use; more in order of preference; all when left out")
	want.flags(cmd)
	cmd.Flags().StringVar(&want.Encryption, "encryption", "", "of its media: auto, off, wanted or required; as [rtp] encryption when left out")
	cmd.Flags().BoolVar(&want.IAX2, "iax2", false, "let its phones register by IAX2 too")
	return cmd
}

// readLine reads one line without its end; an empty one is refused.
func readLine(r io.Reader) (string, error) {
	text, err := bufio.NewReader(io.LimitReader(r, maxBody)).ReadString('\n')
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return "", fmt.Errorf("standard input has no line: %w", err)
	}
	return text, nil
}

// account asks for an extension to be made or shown, and prints it.
func (o *options) account(cmd *cobra.Command, method, path string, body []byte) (err error) {
	open := o.keeper
	if method == http.MethodGet {
		open = o.onlyLooking
	}
	c, err := open(cmd.Context())
	if err != nil {
		return err
	}
	defer closing(c, &err)
	var a account
	if err := c.do(cmd.Context(), method, path, url.Values{"who": {who()}}, body, &a); err != nil {
		return err
	}
	return printAccount(o, a)
}

func printAccount(o *options, a account) error {
	if o.json {
		return printJSON(o.out, a)
	}
	if a.Change == nil {
		_, err := fmt.Fprintln(o.out, a.Secret) // alone, for scripts
		return err
	}
	text := fmt.Sprintf("%s: version %d\n", a.Change.Summary(), a.Change.Version)
	if a.Secret != "" {
		text += fmt.Sprintf("user %s   password %s\n", a.Number, a.Secret)
	}
	_, err := io.WriteString(o.out, text)
	return err
}

func extensionRemove(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "remove NUMBER", Short: "Remove an extension", Args: takes("NUMBER"),
		Long: `Removes an extension; its devices are forgotten. tincan revert brings it back, with
its secret.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.change(cmd.Context(), http.MethodDelete, "/extensions/"+url.PathEscape(args[0]))
		},
	}
}

func extensionList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the extensions", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.onlyLooking(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var list []extension
			if err := c.do(cmd.Context(), http.MethodGet, "/extensions", nil, nil, &list); err != nil {
				return err
			}
			return printExtensions(o, list)
		},
	}
}

func printExtensions(o *options, list []extension) error {
	if o.json {
		return printJSON(o.out, list)
	}
	var rows [][]string
	for _, e := range list {
		devices := "-" // no server runs
		if e.Devices != nil {
			devices = strconv.Itoa(*e.Devices)
		}
		codecs := "all"
		if len(e.Codecs) > 0 {
			codecs = strings.Join(e.Codecs, ", ")
		}
		by := "sip"
		if e.IAX2 {
			by = "sip, iax2"
		}
		rows = append(rows, []string{e.Number, e.Name, devices, by, codecs, e.column()})
	}
	return table(o.out, "no extensions; make one: tincan extension add NUMBER", []string{"NUMBER", "NAME", "DEVICES", "BY", "CODECS", "TREATMENT"}, rows)
}

func extensionSecret(o *options) *cobra.Command {
	var renew bool
	cmd := &cobra.Command{
		Use: "secret NUMBER", Short: "Print an extension's secret, or make a new one", Args: takes("NUMBER"),
		Long: `Prints an extension's secret. --new makes another: phones that have the old one are
refused when they register again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			method := http.MethodGet
			if renew {
				method = http.MethodPost
			}
			return o.account(cmd, method, "/extensions/"+url.PathEscape(args[0])+"/secret", nil)
		},
	}
	cmd.Flags().BoolVar(&renew, "new", false, "make a new secret")
	return cmd
}
