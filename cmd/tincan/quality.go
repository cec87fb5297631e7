package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tincan/phone/call"
	"tincan/phone/call/record"
	"tincan/phone/media/quality"
)

// fared is how the sound of a call's parties fared, at present or in the end.
type fared struct {
	Call    string              `json:"call"`
	Stands  bool                `json:"stands"`
	Parties []call.PartyQuality `json:"parties"`
	// Ended says why a call that is over is.
	Ended string `json:"ended,omitempty"`
}

// qualityOf is GET /quality/{id}.
func (o *objects) qualityOf(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if o.quality != nil {
		if parties, err := o.quality(id); err == nil {
			return fared{Call: id, Stands: true, Parties: parties}, nil
		}
	}
	list, err := o.ledger.List(r.Context(), record.Filter{ID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no call %s; see tincan calls and tincan records", id)
	}
	f := fared{Call: id, Parties: []call.PartyQuality{}, Ended: call.Cause{Kind: list[0].Cause, Text: list[0].Detail}.Error()}
	for _, l := range list[0].Legs {
		if l.Quality != nil {
			f.Parties = append(f.Parties, call.PartyQuality{Party: l.Party, Codec: l.Codec, Account: *l.Quality})
		}
	}
	return f, nil
}

func qualityCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "quality ID", Short: "Show how a call sounds, or sounded, and why", Args: takes("ID"),
		Long: `Shows for each party of a call how its sound fares over time in both directions, as a
score from 1 (bad) to 4.5 (MOS by the E-model, ITU-T G.107), and in words what was wrong
when. "from" is measured here; "to" is what the party's own reports say. IDs are those of
tincan calls and tincan records; what lasted under five seconds has no score.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			c, err := o.onlyLooking(cmd.Context())
			if err != nil {
				return err
			}
			defer closing(c, &err)
			var f fared
			if err := c.do(cmd.Context(), http.MethodGet, "/quality/"+url.PathEscape(args[0]), nil, nil, &f); err != nil {
				return err
			}
			if o.json {
				return printJSON(o.out, f)
			}
			return printQuality(o.out, &f)
		},
	}
}

func printQuality(w io.Writer, f *fared) error {
	var b strings.Builder
	if len(f.Parties) == 0 {
		b.WriteString("nothing is known of how this call sounded: it was too short, or nobody answered\n")
	}
	for i, p := range f.Parties {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(plain(p.Party))
		if p.Codec != "" {
			b.WriteString(" (" + plain(p.Codec) + ")")
		}
		b.WriteString("\n")
		in, out := p.Average()
		worstIn, worstOut := p.Worst()
		drawDirection(&b, "from it", p.Samples, in, worstIn, func(s quality.Sample) quality.Direction { return s.In })
		drawDirection(&b, "to it", p.Samples, out, worstOut, func(s quality.Sample) quality.Direction { return s.Out })
		if n := len(p.Samples); n > 0 && p.Samples[n-1].RTT > 0 {
			fmt.Fprintf(&b, "  there and back %d ms\n", p.Samples[n-1].RTT.Milliseconds())
		}
		if p.Burst > 1 {
			fmt.Fprintf(&b, "  losses from it: %.1f in a row\n", p.Burst)
		}
		drawReported(&b, p.Reported)
		drawDiscarded(&b, p.Discarded)
		for _, t := range p.Troubles {
			fmt.Fprintf(&b, "  ! %s  %s\n", stretch(t), plain(t.Text))
		}
	}
	if f.Ended != "" {
		b.WriteString("ended: " + plain(f.Ended) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// bars are scores from below 1.5 to above 4, a step of half a point each.
var bars = []rune("▁▂▃▄▅▆▇█")

// drawDirection is a line such as "from it  ▇▇▇▅▂▆▇▇  MOS 4.2, worst 2.1; loss 3.2 %; jitter 12 ms".
func drawDirection(b *strings.Builder, name string, samples []quality.Sample, mean, worst float32, of func(quality.Sample) quality.Direction) {
	if mean == 0 {
		fmt.Fprintf(b, "  %-8s nothing is known\n", name)
		return
	}
	var loss, jitter, n float32
	line := make([]rune, 0, len(samples))
	for _, s := range samples {
		d := of(s)
		line = append(line, bar(d.MOS))
		if d.MOS > 0 {
			loss, jitter, n = loss+d.Loss, max(jitter, d.Jitter), n+1
		}
	}
	fmt.Fprintf(b, "  %-8s %s  MOS %.1f, worst %.1f; lost %.1f %%; jitter up to %.0f ms\n", name, string(line), mean, worst, 100*loss/n, jitter)
}

func bar(mos float32) rune {
	if mos == 0 {
		return ' '
	}
	i := int((mos - 1) * float32(len(bars)) / 3.5)
	return bars[min(max(i, 0), len(bars)-1)]
}

// drawReported tells what the party's own account says.
func drawReported(b *strings.Builder, r *quality.Reported) {
	if r == nil {
		return
	}
	fmt.Fprintf(b, "  it says of what it hears: lost %.1f %%, too late %.1f %%", 100*r.Loss, 100*r.Discard)
	if r.MOS > 0 {
		fmt.Fprintf(b, ", MOS %.1f", r.MOS)
	}
	b.WriteString("\n")
}

// drawDiscarded tells what came and was not taken for the party's.
func drawDiscarded(b *strings.Builder, d *quality.Discarded) {
	if d == nil {
		return
	}
	var parts []string
	for _, k := range []struct {
		n    uint64
		what string
	}{
		{d.Strangers, "from elsewhere"},
		{d.Forged, "not with its key"},
		{d.Replayed, "that came before"},
		{d.Unknown, "of a codec not agreed"},
		{d.Malformed, "of no known kind"},
		{d.Unsent, "that could not be sent"},
	} {
		if k.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k.n, k.what))
		}
	}
	if len(parts) > 0 {
		b.WriteString("  packets not used: " + strings.Join(parts, ", ") + "\n")
	}
}

// stretch is when a trouble was, from the answer on: "5s to 1m20s".
func stretch(t quality.Trouble) string {
	from := t.From.Round(time.Second).String()
	if t.Until == 0 {
		return "since " + from
	}
	return from + " to " + t.Until.Round(time.Second).String()
}
