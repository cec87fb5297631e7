package sip

import (
	"bytes"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"tincan/phone/codec"
	"tincan/phone/directory"
	"tincan/phone/media"
	"tincan/phone/media/sdp"
	"tincan/phone/media/secure"
)

func soundLine(proto string) media.Stream {
	return media.Stream{
		Kind: media.Audio, Name: "audio", Proto: proto, RTP: netip.MustParseAddrPort("10.0.0.1:4000"), Direction: media.SendRecv,
		Formats: []codec.Format{{Name: "pcmu", Clock: 8000, Channels: 1}},
	}
}

// TestShieldsAgree: whatever one leg offers another answers, both come to the same
// keys or to none, through the text of descriptions, and stay there when asked
// again.
func TestShieldsAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policies := rapid.SampledFrom(directory.Encryptions())
		theirs := policies.Draw(rt, "policy of who answers")
		m := rapid.SampledFrom([]manner{plain, keyed, shaken}).Draw(rt, "manner")
		read := rapid.Bool().Draw(rt, "others read what is signalled")
		beside := rapid.Bool().Draw(rt, "keys beside RTP/AVP")
		d := media.Description{Streams: []media.Stream{soundLine("RTP/AVP")}}
		if rapid.Bool().Draw(rt, "a picture") {
			picture := soundLine("RTP/AVPF")
			picture.Kind, picture.Name = media.Video, "video"
			d.Streams = append(d.Streams, picture)
		}
		var a, b []shield
		for round := range 3 {
			a = offering(d, a, m, beside)
			got, next, why := takenOffer(through(rt, shielded(d, a, printA)), theirs, b, read)
			if why != "" {
				required := theirs == directory.EncryptionRequired && m == plain && !beside
				if round > 0 || !required && (theirs != directory.EncryptionOff || m == plain) {
					rt.Fatalf("round %d: %s", round, why)
				}
				return
			}
			b = next
			for i := range got.Streams {
				if st := got.Streams[i]; securedProfile(st.Proto) || len(st.Crypto)+len(st.Fingerprints) > 0 {
					rt.Fatalf("the call hears of %v", st)
				}
			}
			var back media.Description
			back, a, why = accepted(through(rt, shielded(got, b, printB)), a, directory.EncryptionAuto)
			if why != "" || securedProfile(back.Streams[0].Proto) {
				rt.Fatalf("round %d: the answer: %s, %v", round, why, back.Streams[0])
			}
			for i := range a {
				if m == shaken || read && (m == keyed || beside) && theirs != directory.EncryptionOff {
					if x, y := a[i].terms(nil), b[i].terms(nil); x == nil || y == nil || x.Active == y.Active || x.Prints[0].Value() != printB.Value() || y.Prints[0].Value() != printA.Value() {
						rt.Fatalf("round %d: terms %+v and %+v", round, x, y)
					}
					continue
				}
				same(rt, a[i].Keys, b[i].Keys)
				if (a[i].Keys != nil) != (theirs != directory.EncryptionOff && (m == keyed || beside)) {
					rt.Fatalf("round %d: keys %v", round, a[i].Keys)
				}
			}
		}
	})
}

// Sound that is offered with feedback is answered so, in whatever turn, and the other
// side is not asked for it: many phones know it not. Of pictures it is.
func TestFeedbackProfile(t *testing.T) {
	picture := soundLine(feedbackProfile)
	picture.Kind, picture.Name = media.Video, "video"
	offer := media.Description{Streams: []media.Stream{soundLine(feedbackProfile), picture}}
	profiles := func(d media.Description) string { return d.Streams[0].Proto + ", " + d.Streams[1].Proto }
	told, shields, why := takenOffer(offer, directory.EncryptionAuto, nil, true)
	if got := profiles(told); why != "" || got != "RTP/AVP, RTP/AVPF" {
		t.Errorf("the other side is asked for %s, %s", got, why)
	}
	if got := profiles(shielded(told, shields, printB)); got != "RTP/AVPF, RTP/AVPF" {
		t.Errorf("it is answered with %s", got)
	}
	shields = offering(told, shields, plain, false)
	if got := profiles(shielded(told, shields, printB)); got != "RTP/AVPF, RTP/AVPF" {
		t.Errorf("it is asked anew with %s", got)
	}
}

func through(rt *rapid.T, d media.Description) media.Description {
	out, _, err := sdp.Parse(sdp.Write(d, sdp.Origin{ID: 1, Version: 1, Addr: netip.MustParseAddr("10.0.0.1")}))
	if err != nil {
		rt.Fatal(err)
	}
	return out
}

var (
	printA = secure.Fingerprint{Hash: "sha-256", Digest: bytes.Repeat([]byte{10}, 32)}
	printB = secure.Fingerprint{Hash: "sha-256", Digest: bytes.Repeat([]byte{11}, 32)}
)

func same(rt *rapid.T, a, b *secure.Keys) {
	if (a == nil) != (b == nil) || a != nil && (a.Suite != b.Suite || !bytes.Equal(a.Local, b.Remote) || !bytes.Equal(a.Remote, b.Local)) {
		rt.Fatalf("one has %v, the other %v, or other keys of it", a, b)
	}
}

// TestBestLineOfSoundIsTaken: phones that offer a line in the clear beside an
// encrypted one mean the same sound.
func TestBestLineOfSoundIsTaken(t *testing.T) {
	savp := soundLine("RTP/SAVP")
	savp.Crypto = secure.Offer()
	avp, bare := soundLine("RTP/AVP"), soundLine("RTP/SAVP")
	for _, c := range []struct {
		name, policy string
		lines        []media.Stream
		want         int // -1: none
	}{
		{"in the clear first", directory.EncryptionAuto, []media.Stream{avp, savp}, 1},
		{"encrypted first", directory.EncryptionAuto, []media.Stream{savp, avp}, 0},
		{"off", directory.EncryptionOff, []media.Stream{savp, avp}, 1},
		{"required", directory.EncryptionRequired, []media.Stream{avp, savp}, 1},
		{"required, in vain", directory.EncryptionRequired, []media.Stream{avp, avp}, -1},
		{"without a key", directory.EncryptionWanted, []media.Stream{bare, avp}, 1},
		{"without any", directory.EncryptionWanted, []media.Stream{bare}, -1},
	} {
		d, shields, why := takenOffer(media.Description{Streams: c.lines}, c.policy, nil, false)
		got := -1
		for i := range d.Streams {
			switch {
			case d.Streams[i].Refused() && d.Streams[i].Proto != c.lines[i].Proto:
				t.Errorf("%s: line %d is refused as %s", c.name, i, d.Streams[i].Proto)
			case !d.Streams[i].Refused() && got < 0:
				got = i
			case !d.Streams[i].Refused():
				t.Errorf("%s: two lines of sound", c.name)
			}
		}
		if got != c.want || (why == "") != (c.want >= 0) || len(shields) != len(c.lines) {
			t.Errorf("%s: line %d, %q; want %d", c.name, got, why, c.want)
		}
	}
}

// TestLineThatComesLater: a line that an answer refused is offered anew as the
// others are, one that was on as it was.
func TestLineThatComesLater(t *testing.T) {
	picture := soundLine("RTP/AVP")
	picture.Kind, picture.Name = media.Video, "video"
	d := media.Description{Streams: []media.Stream{soundLine("RTP/AVP"), picture}}
	answer := func(shields []shield, on ...bool) []shield {
		said := shielded(d, shields, printA)
		got, theirs, why := takenOffer(said, directory.EncryptionAuto, nil, false)
		if why != "" {
			t.Fatal(why)
		}
		back := shielded(got, theirs, printB)
		for i := range on {
			if !on[i] {
				refuseLine(&back.Streams[i])
			}
		}
		_, out, why := accepted(back, shields, directory.EncryptionRequired)
		if why != "" {
			t.Fatal(why)
		}
		return out
	}
	first := answer(offering(d, nil, keyed, false), true, false)
	if first[1].secured() {
		t.Error("a line that is off has keys")
	}
	second := offering(d, first, keyed, false)
	if second[1].Profile != "RTP/SAVP" || len(second[1].Ours) == 0 || len(second[0].Ours) != 1 {
		t.Errorf("offered later: %+v", second[1])
	}
	if off := answer(answer(second, true, true), true, false); !off[1].secured() {
		t.Error("a line that is off for now has lost its keys")
	}
}

// TestFaxIsNotEncrypted: it is refused where encryption is required.
func TestFaxIsNotEncrypted(t *testing.T) {
	fax := soundLine("udptl")
	fax.Kind, fax.Name = media.Image, "image"
	for policy, want := range map[string]string{directory.EncryptionRequired: faxInTheClear, directory.EncryptionWanted: ""} {
		d, _, why := takenOffer(media.Description{Streams: []media.Stream{fax}}, policy, nil, false)
		if why != want || d.Streams[0].Refused() != (want != "") {
			t.Errorf("%s: %q, %v", policy, why, d.Streams[0])
		}
	}
}

func TestAnswersThatAreNotTaken(t *testing.T) {
	d := media.Description{Streams: []media.Stream{soundLine("RTP/AVP")}}
	ours := offering(d, nil, keyed, false)
	other := soundLine("RTP/SAVP")
	other.Crypto = secure.Offer()[1:2] // a key of one suite, under a tag of another
	other.Crypto[0].Tag = 1
	for _, c := range []struct {
		policy string
		line   media.Stream
		want   string
	}{
		{directory.EncryptionWanted, other, answersOther},
		{directory.EncryptionRequired, soundLine("RTP/SAVP"), answersNothing},
		{directory.EncryptionWanted, soundLine("RTP/SAVP"), ""}, // a phone that does not look at profiles
	} {
		_, _, why := accepted(media.Description{Streams: []media.Stream{c.line}}, ours, c.policy)
		if why != c.want {
			t.Errorf("%s: %q, want %q", c.policy, why, c.want)
		}
	}
}
