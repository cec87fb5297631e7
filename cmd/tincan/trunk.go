package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func trunkCommand(o *options) *cobra.Command {
	return group(&cobra.Command{
		Use: "trunk", Short: "Add, remove and list trunks, and show their secrets",
		Long: `Adds, removes and lists trunks: links to carriers, home routers and other phone
systems. Changes are versions, as those of tincan apply; more settings than the
flags of add are in space.toml. How they do: tincan trunks.`,
	}, trunkAdd(o), trunkRemove(o), trunkList(o), trunkSecret(o), trunkKey(o))
}

func trunkAdd(o *options) *cobra.Command {
	var want wantedTrunk
	var register, trunking, transfer bool
	var keyFile string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a trunk", Args: takes("NAME"),
		Long: `Adds a trunk. A carrier that one registers at:
  tincan trunk add carrier --template sipgate --username 1234567t0 --secret -
Another Tincan that registers here (its password is made, and printed):
  tincan trunk add sister --accept register --username sister
Another system by its address alone:
  tincan trunk add sister --address 198.51.100.7 --match 198.51.100.7
By IAX2, encrypted, the sound of all calls in shared packets:
  tincan trunk add sister --protocol iax2 --accept register --username sister \
    --encryption required --trunking
By IAX2 with keys instead of a password (ours: tincan trunk key):
  tincan trunk add sister --protocol iax2 --address 198.51.100.7 --username us \
    --key sister.pub
Other users of this machine can see what is written after --secret: - reads a line
of standard input.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			want.Name = args[0]
			if cmd.Flags().Changed("register") {
				want.Register = &register
			}
			if cmd.Flags().Changed("trunking") {
				want.Trunking = &trunking
			}
			if cmd.Flags().Changed("transfer") {
				want.Transfer = &transfer
			}
			if keyFile != "" {
				text, err := os.ReadFile(keyFile)
				if err != nil {
					return fmt.Errorf("the key: %w", err)
				}
				want.Key = string(text)
			}
			if want.Secret == "-" {
				if want.Secret, err = readLine(cmd.InOrStdin()); err != nil {
					return fmt.Errorf("the secret: %w", err)
				}
			}
			body, err := json.Marshal(want)
			if err != nil {
				return err
			}
			return o.account(cmd, http.MethodPost, "/trunks", body)
		},
	}
	f := cmd.Flags()
	f.StringVar(&want.Template, "template", "", "what is known of a carrier or router: generic, fritzbox, telekom, sipgate")
	f.StringVar(&want.Address, "address", "", "host or host:port, the registrar and where calls go")
	f.StringVar(&want.Proxy, "proxy", "", "host or host:port that all goes through")
	f.StringVar(&want.Transport, "transport", "", "udp, tcp or tls; as DNS says when left out")
	f.BoolVar(&register, "register", false, "register there")
	f.StringVar(&want.Username, "username", "", "the account there, or theirs here with --accept")
	f.StringVar(&want.Secret, "secret", "", "its password")
	f.StringVar(&want.Accept, "accept", "", "register: the other side registers here; digest: it proves itself at each call")
	f.StringSliceVar(&want.Match, "match", nil, "host, host:port or network whose calls are this trunk's")
	f.StringSliceVar(&want.Codecs, "codec", nil, "a codec that it may use; more in order of preference; all when left out")
	f.StringVar(&want.Protocol, "protocol", "", "sip or iax2; sip when left out")
	f.StringVar(&want.Encryption, "encryption", "", "of its calls: auto, off, wanted or required; as [rtp] encryption when left out")
	f.StringVar(&keyFile, "key", "", "`file` of the other side's public key, with iax2")
	f.BoolVar(&trunking, "trunking", false, "put the sound of all calls into shared packets, with iax2")
	f.BoolVar(&transfer, "transfer", false, "let calls leave this server, with iax2")
	want.flags(cmd)
	f.IntVar(&want.Limit, "limit", 0, "calls at once, both ways; any number when left out")
	return cmd
}

func trunkRemove(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a trunk", Args: takes("NAME"),
		Long: `Removes a trunk; where we were registered we say goodbye. tincan revert brings it
back, with its secret.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.change(cmd.Context(), http.MethodDelete, "/trunks/"+url.PathEscape(args[0]))
		},
	}
}

func trunkList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the trunks as they are set up", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.onlyLooking(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var list []trunk
			if err := c.do(cmd.Context(), http.MethodGet, "/trunks", nil, nil, &list); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, list)
			}
			var rows [][]string
			for _, t := range list {
				limit := "-"
				if t.Limit > 0 {
					limit = strconv.Itoa(t.Limit)
				}
				codecs := "all"
				if len(t.Codecs) > 0 {
					codecs = strings.Join(t.Codecs, ", ")
				}
				rows = append(rows, []string{t.Name, t.Protocol, t.Address, t.Proves, t.Username, limit, codecs, t.column()})
			}
			return table(o.out, "no trunks; make one: tincan trunk add NAME", []string{"NAME", "PROTOCOL", "ADDRESS", "BY", "USERNAME", "LIMIT", "CODECS", "TREATMENT"}, rows)
		},
	}
}

func trunkSecret(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "secret NAME", Short: "Print a trunk's secret", Args: takes("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.account(cmd, http.MethodGet, "/trunks/"+url.PathEscape(args[0])+"/secret", nil)
		},
	}
}

func trunkKey(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "key", Short: "Print this server's public key for IAX2 trunks", Args: takes(),
		Long: `Prints the public half of this server's RSA key, which is made at the first time and
kept in the data folder. The other side of an IAX2 trunk that believes us by it is
given this text: in Asterisk as /var/lib/asterisk/keys/NAME.pub, with inkeys=NAME.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.keeper(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var k publicKey
			if err := c.do(cmd.Context(), http.MethodPost, "/key", nil, nil, &k); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, k)
			}
			_, err = fmt.Fprint(o.out, k.Key)
			return err
		},
	}
}
