package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
	"tincan/e2e/tone"
)

// routes is a space.toml's routes, number to destination.
func routes(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("[[route]]\nnumber = \"" + pairs[i] + "\"\nto = \"" + pairs[i+1] + "\"\n")
	}
	return b.String()
}

// meets calls a number that answers by itself.
func meets(t *testing.T, p peer.Phone, number string) {
	t.Helper()
	p.Dial(t, number)
	p.AwaitEstablished(t)
}

// recording reads a file of the server's, side by side.
func recording(t *testing.T, path string) tone.Sound {
	t.Helper()
	s, err := tone.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestConference: phones of three codecs hear the two others and not themselves,
// and a recording that sox can play has all.
func TestConference(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob, eve)+routes("800", "conference:lounge"))
	a := baresip(t, s, ada)
	b := baresip(t, s, bob, codec("g722"))
	c := linphone(t, s, eve, codec("opus"))
	for _, p := range []peer.Phone{a, b, c} {
		meets(t, p, "800")
	}
	a.Ear().HearsChord(t, bobTone, eveTone)
	b.Ear().HearsChord(t, adaTone, eveTone)
	c.Ear().HearsChord(t, adaTone, bobTone)
	a.Ear().HearsNoPart(t, adaTone)
	b.Ear().HearsNoPart(t, bobTone)
	c.Ear().HearsNoPart(t, eveTone)

	path := filepath.Join(s.folder, "lounge.wav")
	s.tincan(t, "record", "conference:lounge", path)
	a.Ear().HearsChord(t, bobTone, eveTone) // some time
	s.tincan(t, "record", "conference:lounge", "--stop")
	awaitChord(t, path, adaTone, bobTone, eveTone)
	if sox, err := exec.LookPath("sox"); err == nil {
		if out, err := exec.Command(sox, path, "-n", "stat").CombinedOutput(); err != nil {
			t.Errorf("sox: %v: %s", err, out)
		}
	}

	b.Hangup(t)
	b.AwaitClosed(t)
	a.Ear().HearsNoPart(t, bobTone)
	a.Ear().Hears(t, eveTone)
	hangUp(t, a, a)
	hangUp(t, c, c)
	s.awaitNoCalls(t)
}

// awaitChord waits until a file has a chord in it.
func awaitChord(t *testing.T, path string, tones ...float64) {
	t.Helper()
	deadline := time.Now().Add(peer.Patience)
	for {
		if s, err := tone.Read(path); err == nil && s.Chord(tones...) >= 400*time.Millisecond {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not have %v Hz in it", path, tones)
		}
		time.Sleep(readyPoll)
	}
}

func TestApplications(t *testing.T) {
	t.Parallel()
	s := startServerAt(t, place{ip: "127.0.0.1", more: "[sound]\ncountry = \"cn\"\n"}, people(ada)+routes( // long tones, all of 450 Hz
		"701", "app:milliwatt", "702", "app:delayed-echo/500", "703", "app:tone/ring", "704", "app:play/nobody-recorded-this",
		"705", "app:tone/1000/200,0/100,1000/2000",
	))
	a := baresip(t, s, ada, codec("g722"))
	for _, c := range []struct {
		number string
		hears  []float64
	}{{"701", []float64{1004}}, {"702", []float64{adaTone}}, {"703", []float64{450}}, {"705", []float64{1000}}} {
		meets(t, a, c.number)
		a.Ear().HearsChord(t, c.hears...)
		a.Hangup(t)
		a.AwaitClosed(t)
	}
	// A recording that is not there is a tone, and the end.
	meets(t, a, "704")
	a.Ear().HearsChord(t, 450)
	a.AwaitClosed(t)
	s.awaitNoCalls(t)
}

// TestMemo: what is said is recorded after the beep, and played back after #.
func TestMemo(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada)+routes("706", "app:record/memo"))
	a := linphone(t, s, ada, codec("opus"))
	meets(t, a, "706")
	files := func() []string {
		found, _ := filepath.Glob(filepath.Join(s.folder, "data", "recordings", "memo-*.wav"))
		return found
	}
	deadline := time.Now().Add(peer.Patience)
	for len(files()) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("nothing is recorded")
		}
		time.Sleep(readyPoll)
	}
	awaitChord(t, files()[0], adaTone)
	a.Digit(t, "#")
	a.Ear().Hears(t, adaTone)
	a.AwaitClosed(t)
	if s := recording(t, files()[0]); s.Longest(adaTone) < time.Second {
		t.Errorf("%v of the memo is the tone, of %v", s.Total(adaTone), s.Duration())
	}
}

// TestTapes: an operator plays into a call that stands, records it and lets it be
// mixed, while its parties go on hearing each other.
func TestTapes(t *testing.T) {
	t.Parallel()
	s := startServer(t, people(ada, bob))
	a, b := baresip(t, s, ada), baresip(t, s, bob, codec("pcma"))
	connect(t, a, b, bob)
	hearEachOther(t, a, adaTone, b, bobTone)
	var calls []struct {
		ID   string   `json:"id"`
		Ways []string `json:"ways"`
	}
	way := func(want string) {
		t.Helper()
		if s.list(t, &calls, "calls"); len(calls) != 1 || len(calls[0].Ways) == 0 || calls[0].Ways[0] != want {
			t.Errorf("%+v, want one call by %s", calls, want)
		}
	}
	way("transcode")
	id, both := calls[0].ID, filepath.Join(s.folder, "both.wav")
	s.tincan(t, "record", id, both)
	way("mix")
	hearEachOther(t, a, adaTone, b, bobTone)
	notice := filepath.Join(s.folder, "notice.wav")
	if err := tone.Write(notice, tone.Sine(1500, 3*time.Second, 16000)); err != nil {
		t.Fatal(err)
	}
	s.tincan(t, "play", id, notice, "--to", "caller")
	a.Ear().HearsChord(t, bobTone, 1500)
	b.Ear().HearsNoPart(t, 1500)
	s.tincan(t, "record", id, "--stop")
	s.tincan(t, "mix", id)
	hearEachOther(t, a, adaTone, b, bobTone)
	s.tincan(t, "mix", id, "--stop")
	hearEachOther(t, a, adaTone, b, bobTone)
	way("transcode")
	left, right := filepath.Join(s.folder, "l.wav"), filepath.Join(s.folder, "r.wav")
	for side, path := range map[string]string{"1": left, "2": right} {
		if out, err := exec.Command("sox", both, path, "remix", side).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if l, r := recording(t, left), recording(t, right); l.Longest(adaTone) < time.Second || r.Longest(bobTone) < time.Second {
		t.Errorf("the caller is %v of the left, the called %v of the right", l.Total(adaTone), r.Total(bobTone))
	}
	hangUp(t, a, b)
}

// TestMusicOnHold: who is put on hold hears the music, and then the other again.
func TestMusicOnHold(t *testing.T) {
	t.Parallel()
	music := t.TempDir()
	if err := tone.Write(filepath.Join(music, "a.wav"), tone.Sine(600, 20*time.Second, 16000)); err != nil {
		t.Fatal(err)
	}
	s := startServerAt(t, place{ip: "127.0.0.1", more: "[sound]\nmusic = \"" + music + "\"\n"}, people(ada, bob))
	a, b := linphone(t, s, ada), baresip(t, s, bob, codec("g722"))
	connect(t, a, b, bob)
	b.Ear().Hears(t, adaTone)
	a.Hold(t)
	b.Ear().Hears(t, 600)
	b.Ear().HearsNot(t, adaTone)
	a.Resume(t)
	hearEachOther(t, a, adaTone, b, bobTone)
	b.Ear().HearsNot(t, 600)
	hangUp(t, a, b)
}
