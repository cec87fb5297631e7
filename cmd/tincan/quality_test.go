package main

import (
	"strings"
	"testing"
	"time"

	"tincan/phone/call"
	"tincan/phone/media/quality"
)

func TestQualityIsDrawn(t *testing.T) {
	account := quality.Account{Burst: 3, Reported: &quality.Reported{Loss: 0.02, MOS: 3.9}, Discarded: &quality.Discarded{Strangers: 7, Forged: 3000}}
	for i, mos := range []float32{4.4, 4.4, 2.6, 1, 4.4} {
		account.Samples = append(account.Samples, quality.Sample{
			At: time.Duration(i+1) * 5 * time.Second, In: quality.Direction{MOS: mos, Loss: 0.1, Jitter: 12}, RTT: 34 * time.Millisecond,
		})
	}
	account.Troubles = []quality.Trouble{
		{Kind: quality.LossyIn, Text: "lost \x1b[31m", From: 5 * time.Second, Until: 80 * time.Second},
		{Kind: quality.Silent, Text: "gone", From: 90 * time.Second},
	}
	var b strings.Builder
	f := fared{Call: "1", Parties: []call.PartyQuality{{Party: "extension:101", Codec: "opus", Account: account}, {Party: "app:echo"}}, Ended: "media-timeout: no way"}
	if err := printQuality(&b, &f); err != nil {
		t.Fatal(err)
	}
	want := `extension:101 (opus)
  from it  ██▄▁█  MOS 3.4, worst 1.0; lost 10.0 %; jitter up to 12 ms
  to it    nothing is known
  there and back 34 ms
  losses from it: 3.0 in a row
  it says of what it hears: lost 2.0 %, too late 0.0 %, MOS 3.9
  packets not used: 7 from elsewhere, 3000 not with its key
  ! 5s to 1m20s  lost .[31m
  ! since 1m30s  gone

app:echo
  from it  nothing is known
  to it    nothing is known
ended: media-timeout: no way
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
