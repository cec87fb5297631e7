package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// Treatment is how a party, an extension or a trunk, is treated, where that is not as
// usual.
type Treatment struct {
	DTMF  string   `json:"dtmf,omitempty"`
	Clean []string `json:"clean,omitempty"`
	Offer string   `json:"offer,omitempty"`
}

// flags are those of the commands that add a party.
func (t *Treatment) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.DTMF, "dtmf", "", "how its keys go: auto, inband (tones) or info; auto when left out")
	f.StringSliceVar(&t.Clean, "clean", nil, "what is done to its sound before others hear it: echo, level, noise; more of them")
	f.StringVar(&t.Offer, "offer", "", "who makes the offer of media when it is called: early (the server) or late; early when left out")
}

// column is that of a list.
func (t Treatment) column() string {
	var parts []string
	if t.DTMF != "" {
		parts = append(parts, "dtmf "+t.DTMF)
	}
	if len(t.Clean) > 0 {
		parts = append(parts, "clean "+strings.Join(t.Clean, ", "))
	}
	if t.Offer != "" {
		parts = append(parts, "offer "+t.Offer)
	}
	if parts == nil {
		return "-"
	}
	return strings.Join(parts, "; ")
}
