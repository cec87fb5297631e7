package record

import (
	"encoding/json"
	"fmt"
	"strings"

	"tincan/phone/media/quality"
)

// legRow is a leg as the call's row has it. Times are microseconds since 1970.
type legRow struct {
	ID      string  `json:"id"`
	Kind    string  `json:"kind"`
	Party   string  `json:"party"`
	Device  string  `json:"device,omitempty"`
	CallID  string  `json:"call_id,omitempty"`
	Remote  string  `json:"remote,omitempty"`
	Start   int64   `json:"start"`
	Answer  int64   `json:"answer,omitempty"`
	End     int64   `json:"end"`
	Cause   string  `json:"cause,omitempty"`
	Code    int     `json:"code,omitempty"`
	Codec   string  `json:"codec,omitempty"`
	CodecBy string  `json:"codec_by,omitempty"`
	Crypt   string  `json:"encryption,omitempty"`
	In      uint64  `json:"in,omitempty"`
	Out     uint64  `json:"out,omitempty"`
	Lost    uint64  `json:"lost,omitempty"`
	Jitter  float64 `json:"jitter,omitempty"`

	Quality *quality.Account `json:"quality,omitempty"`
}

// writeLegs gives the columns legs and parties.
func writeLegs(legs []Leg) (text, parties string, err error) {
	rows := make([]legRow, len(legs))
	for i, g := range legs {
		rows[i] = legRow{
			g.ID, g.Kind, g.Party, g.Device, g.CallID, g.Remote, micro(g.Start), micro(g.Answer), micro(g.End),
			g.Cause, g.Code, g.Codec, g.CodecBy, g.Encryption, g.PacketsIn, g.PacketsOut, g.Lost, g.JitterMS, g.Quality,
		}
		parties += " " + g.Party
	}
	b, err := json.Marshal(rows)
	return string(b), parties + " ", err
}

func readLegs(text string) ([]Leg, error) {
	var rows []legRow
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&rows); err != nil {
		return nil, fmt.Errorf("legs: %w", err)
	}
	var legs []Leg
	for _, r := range rows {
		legs = append(legs, Leg{
			r.ID, r.Kind, r.Party, r.Device, r.CallID, r.Remote, moment(r.Start), moment(r.Answer), moment(r.End),
			r.Cause, r.Code, r.Codec, r.CodecBy, r.Crypt, r.In, r.Out, r.Lost, r.Jitter, r.Quality,
		})
	}
	return legs, nil
}
