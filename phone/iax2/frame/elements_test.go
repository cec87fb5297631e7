package frame

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var addresses = cmpopts.EquateComparable(netip.AddrPort{})

// TestElements: each element by hand from the pictures of RFC 5456 8.6, read
// and written as the same bytes.
func TestElements(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      Elements
	}{
		{"version", "0b02 0002", Elements{Version: ProtocolVersion}},
		{"called number", "0103 313032", Elements{CalledNumber: "102"}},
		{"name in UTF-8", "0405 4ac3bc7267", Elements{CallingName: "Jürg"}},
		{"presentation allowed", "2601 00", Elements{Presentation: Some[uint8](0)}},
		{"ANI2", "3904 0000003e", Elements{ANI2: Some[uint32](62)}},
		{"automatic answer", "1900", Elements{AutoAnswer: true}},
		{
			"format and capability", "0904 00001000 3809 00 0000000000001000 0804 0000000c 3709 00 000000040000000c",
			Elements{Format: G722, Capability: Opus | PCMA | PCMU},
		},
		{"preference", "2d04 664f4544", Elements{Preference: Preference{Opus, G722, PCMA, PCMU}}},
		{"rates", "2902 0005", Elements{Rates: Rate8000 | Rate16000}},
		{"hold without a name", "1a00", Elements{Hold: Some("")}},
		{"methods", "0e02 0006", Elements{AuthMethods: AuthMD5 | AuthRSA}},
		{"challenge", "0f03 343232", Elements{Challenge: []byte("422")}},
		{"encryption", "2b02 8001", Elements{Encryption: AES128 | RotateKey}},
		{
			"address", "1210 0200 11d9 c0000201 0000000000000000",
			Elements{ApparentAddress: netip.MustParseAddrPort("192.0.2.1:4569")},
		},
		{
			"address of IPv6", "121c 0a00 11d9 00000000 20010db8000000000000000000000001 00000000",
			Elements{ApparentAddress: netip.MustParseAddrPort("[2001:db8::1]:4569")},
		},
		{"refresh at once", "1302 0000", Elements{Refresh: Some[uint16](0)}},
		{"one old and two new messages", "1802 0102", Elements{MessageCount: Some[uint16](0x102)}},
		{"cause", "1604 42757379 2a01 11", Elements{Cause: "Busy", CauseCode: Some[uint8](17)}},
		{"unknown command", "1701 29", Elements{UnknownCommand: Some(Command(41))}},
		{
			"report", "2e04 00000007 2f04 05000010 3004 00000100 3102 0028 3204 00000001 3304 00000002",
			Elements{Report: Some(Report{
				Jitter: 7, LossPercent: 5, Lost: 16, Frames: 256, Delay: 40, Dropped: 1, Disordered: 2,
			})},
		},
		{"transfer", "1502 0101 1b04 deadbeef", Elements{CallNumber: 0x101, TransferID: 0xdeadbeef}},
		{
			"variables", "3403 613d62 3401 63",
			Elements{Variables: []Variable{{"a", "b"}, {"c", ""}}},
		},
		{"a token is asked for", "3600", Elements{CallToken: Some([]byte(nil))}},
		{"a token", "3603 616263", Elements{CallToken: Some([]byte("abc"))}},
		{
			"provisioning", "0c02 0001 2003 696164 2101 73 2504 00000001 2202 0002 2304 00000003 2400",
			Elements{
				ADSI: Some[uint16](1), DeviceType: "iad", ServiceIdent: "s", ProvisioningVersion: Some[uint32](1),
				FirmwareVersion: Some[uint16](2), FirmwareBlock: Some[uint32](3), FirmwareData: Some([]byte(nil)),
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := octets(t, c.hex)
			got, err := ParseElements(b)
			if d := cmp.Diff(c.want, got, addresses); d != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
			if again := got.Append(nil); !bytes.Equal(again, b) {
				t.Errorf("written as\n% x, want\n% x", again, b)
			}
		})
	}
}

// TestElementsRefused: every length that is wrong, named.
func TestElementsRefused(t *testing.T) {
	for _, c := range []struct{ name, hex, says string }{
		{"cut short", "0b02 00", "element 11 at byte 0 announces 2 bytes, 1 are left"},
		{"no length", "0b02 0002 2a", "element 42 at byte 4 has no length"},
		{"cause code of two bytes", "2a02 0011", "element CAUSECODE (42): has 2 bytes, needs 1"},
		{"format of eight", "0908 0000000000000004", "element FORMAT (9): has 8 bytes, needs 4"},
		{"empty format of 64 bits", "3800", "element FORMAT2 (56): has 0 bytes, needs 9"},
		{"format of 64 bits without them", "3801 00", "element FORMAT2 (56): has 0 bytes, needs 8"},
		{"address", "1204 c0000201", "element APPARENT ADDR (18): has 4 bytes, needs 16 or 28"},
		{"OSP out of order", "3502 0101", "block 1 after 0 bytes"},
		{"OSP without a number", "3500", "no block number"},
		{"a report's number", "3101 00", "element RR DELAY (49): has 1 bytes, needs 2"},
	} {
		if _, err := ParseElements(octets(t, c.hex)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.says)
		}
	}
	if _, err := ParseElements(octets(t, "0b02 00")); !errors.Is(err, ErrShort) {
		t.Errorf("cut short: %v", err)
	}
	if _, err := ParseElements(bytes.Repeat([]byte{0xff, 0}, maxElements+1)); err == nil {
		t.Error("no bound on the number of elements")
	}
}

func TestRepeatedAndUnknownElements(t *testing.T) {
	e, err := ParseElements(octets(t, "0101 31 ff02 0000 0101 32 3802 0101 3809 00 0000000400000000 0904 00000004"))
	if err != nil {
		t.Fatal(err)
	}
	if e.CalledNumber != "2" || e.Format != Opus || e.Skipped != 2 {
		t.Errorf("number %q (the last), format %s (of 64 bits), skipped %d (ff, and a FORMAT2 of version 1)",
			e.CalledNumber, e.Format, e.Skipped)
	}
}

// TestTextIsSafe: what a stranger writes can be shown and handed to SIP.
func TestTextIsSafe(t *testing.T) {
	e, err := ParseElements(whole(nil, 4, []byte("Eve\r\nVia: x\xff\xfe\x00more")))
	if err != nil || e.CallingName != "Eve  Via: x?" {
		t.Errorf("name %q, %v", e.CallingName, err)
	}
}

func TestLongText(t *testing.T) {
	e := Elements{CallingName: strings.Repeat("é", 200)}
	got, err := ParseElements(e.Append(nil))
	if err != nil || got.CallingName != strings.Repeat("é", 127) {
		t.Errorf("%d bytes came back, %v", len(got.CallingName), err)
	}
	e = Elements{Variables: []Variable{{"long", strings.Repeat("é", 300)}, {"next", "1"}}}
	got, err = ParseElements(e.Append(nil))
	if d := cmp.Diff(e, got, addresses); d != "" || err != nil {
		t.Errorf("a variable in pieces: %v (-want +got):\n%s", err, d)
	}
	e = Elements{OSPToken: bytes.Repeat([]byte{7}, 600)}
	got, err = ParseElements(e.Append(nil))
	if d := cmp.Diff(e, got, addresses); d != "" || err != nil {
		t.Errorf("a token in blocks: %v (-want +got):\n%s", err, d)
	}
}

func TestDateTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 17, 45, 58, 0, time.UTC)
	d := NewDateTime(at)
	if want := DateTime(26<<25 | 11<<21 | 23<<16 | 17<<11 | 45<<5 | 29); d != want {
		t.Errorf("%032b, want %032b", d, want)
	}
	if got := d.In(time.UTC); !got.Equal(at) {
		t.Errorf("%s came back", got)
	}
}

// TestTokenIsLast: peers look for it at the end of what they sent.
func TestTokenIsLast(t *testing.T) {
	e := Elements{Version: 2, Username: "101", CallToken: Some([]byte(nil)), OSPToken: []byte{1}}
	if b := e.Append(nil); !bytes.HasSuffix(b, []byte{idCallToken, 0}) {
		t.Errorf("ends in % x", b)
	}
}

func FuzzElements(f *testing.F) {
	f.Add(octets(f, "0b02 0002 0103 313032 0904 00001000 3809 00 0000000000001000 2d04 664f4544 3600"))
	f.Add(octets(f, "3403 613d62 3403 613d63 3502 0001 1210 0200 11d9 c0000201 0000000000000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseElements(b)
		if err != nil {
			return
		}
		again, err := ParseElements(got.Append(nil))
		got.Skipped = 0
		if d := cmp.Diff(got, again, addresses); d != "" || err != nil {
			t.Errorf("round trip: %v (-first +second):\n%s", err, d)
		}
	})
}
