package sdp

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tincan/phone/codec"
	"tincan/phone/media"
)

var equal = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})}

func TestOffersOfPhones(t *testing.T) {
	for _, o := range offers() {
		t.Run(o.name, func(t *testing.T) {
			d, from, err := Parse([]byte(o.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(o.want, d.Streams, equal); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(o.origin, from, equal); diff != "" {
				t.Error(diff)
			}
			roundTrip(t, d, from)
		})
	}
}

// roundTrip checks that what was read, once written, is read again the same.
func roundTrip(t *testing.T, d media.Description, o Origin) {
	t.Helper()
	text := Write(d, o)
	if len(text) > MaxBytes {
		return // written out, lines are longer
	}
	again, o2, err := Parse(text)
	if err != nil {
		t.Fatalf("%v in what we write:\n%s", err, text)
	}
	if diff := cmp.Diff(d, again, equal) + cmp.Diff(o, o2, equal); diff != "" {
		t.Fatalf("written and read again:\n%s\n%s", diff, text)
	}
}

func TestWriteIsStrict(t *testing.T) {
	d := media.Description{Streams: []media.Stream{
		{
			Kind: media.Audio, RTP: at("10.0.0.5:10000"), Direction: media.SendRecv, Ptime: 30,
			Formats: []codec.Format{stereo(format(96, "opus", 48000, "useinbandfec=1")), mu, events},
		},
		{Kind: media.Video, Raw: []string{"99"}},
		{Name: "image", Proto: "udptl"},
	}}
	want := crlf(`
		v=0
		o=- 7 2 IN IP4 10.0.0.5
		s=-
		c=IN IP4 10.0.0.5
		t=0 0
		m=audio 10000 RTP/AVP 96 0 101
		a=rtpmap:96 opus/48000/2
		a=fmtp:96 useinbandfec=1
		a=rtpmap:0 PCMU/8000
		a=rtpmap:101 telephone-event/8000
		a=fmtp:101 0-15
		a=ptime:30
		a=sendrecv
		m=video 0 RTP/AVP 99
		m=image 0 udptl 0`)
	if diff := cmp.Diff(want, string(Write(d, origin(7, 2, "10.0.0.5")))); diff != "" {
		t.Error(diff)
	}
}

// What one party wrote is shown to the other; it must not become a line.
func TestWriteLetsNoLineThrough(t *testing.T) {
	const evil = "x\r\nc=IN IP4 6.6.6.6\nm=audio 1 RTP/AVP 0\r\x00"
	d := media.Description{Streams: []media.Stream{
		{
			Kind: media.Audio, Name: "audio" + evil, Proto: "RTP/AVP" + evil, RTP: at("10.0.0.5:10000"),
			Formats: []codec.Format{{PT: 96, Name: evil, Clock: 8000, Fmtp: evil}}, Raw: []string{evil},
			Feedback: []media.Feedback{{All: true, Value: evil}}, Passed: []string{"label:" + evil},
		},
	}}
	text := string(Write(d, origin(1, 1, "10.0.0.5")))
	if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") || strings.Contains(text, "\x00") {
		t.Errorf("a control character passed: %q", text)
	}
	kinds := ""
	for line := range strings.Lines(text) {
		kinds += line[:1]
	}
	if kinds != "vosctmaaaaa" {
		t.Errorf("lines %s of %s", kinds, text)
	}
}

func TestParseRefuses(t *testing.T) {
	begin := "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\n"
	cases := map[string]string{
		"nothing":            "",
		"no v=":              "m=audio 1 RTP/AVP 0\r\n",
		"no type":            begin + "audio\r\n",
		"NUL":                begin + "s=a\x00b\r\n",
		"port":               begin + "m=audio 65536 RTP/AVP 0\r\n",
		"payload type":       begin + "m=audio 1 RTP/AVP 128\r\n",
		"short m=":           begin + "m=audio 1\r\n",
		"connection":         begin + "c=10.0.0.1\r\n",
		"rtpmap no number":   begin + "m=audio 1 RTP/AVP 96\r\na=rtpmap:96 opus/x\r\n",
		"rtpmap clock":       begin + "m=audio 1 RTP/AVP 96\r\na=rtpmap:96 opus/0\r\n",
		"rtpmap channels":    begin + "m=audio 1 RTP/AVP 96\r\na=rtpmap:96 opus/48000/0\r\n",
		"rtpmap name":        begin + "m=audio 1 RTP/AVP 96\r\na=rtpmap:96 a b/48000\r\n",
		"too many bytes":     begin + strings.Repeat("i="+strings.Repeat("x", 998)+"\n", 33),
		"too many lines":     begin + strings.Repeat("i=\n", MaxLines),
		"too many streams":   begin + strings.Repeat("m=audio 1 RTP/AVP 0\r\n", MaxStreams+1),
		"too many formats":   begin + "m=audio 1 RTP/AVP" + strings.Repeat(" 0", MaxFormats+1) + "\r\n",
		"too many to fathom": strings.Repeat("\n", MaxBytes),
	}
	for name, text := range cases {
		if _, _, err := Parse([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, o := range offers() {
		f.Add([]byte(o.text))
	}
	f.Add([]byte(crlf(browserOffer)))
	f.Add([]byte(crlf(phoneOffer)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, o, err := Parse(b)
		if err != nil {
			return
		}
		if len(d.Streams) > MaxStreams {
			t.Fatalf("%d streams", len(d.Streams))
		}
		if bytes.Count(b, []byte("\n"))+bytes.Count(b, []byte("\r")) > MaxLines/2 {
			return // static payload types are written out: more lines than were read
		}
		roundTrip(t, d, o)
	})
}

// RFC 4475 3.1.1.1 has such a line in a message that all must take.
func TestRtpmapWithoutClock(t *testing.T) {
	d, _, err := Parse([]byte("v=0\r\nc=IN IP4 192.0.2.4\r\nm=audio 49217 RTP/AVP 0 96\r\na=rtpmap:96 LPC\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if f := d.Streams[0].Formats; len(f) != 1 || f[0].PT != 0 {
		t.Errorf("formats %v, want PCMU alone", f)
	}
}
