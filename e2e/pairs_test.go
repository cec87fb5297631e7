package e2e

import (
	"debug/buildinfo"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tincan/e2e/peer"
	"tincan/e2e/tone"
)

// What a tone must still be after a call, whatever the codecs.
const (
	pitchOff = 0.5  // Hz
	levelOff = 3.0  // dB
	shareMin = 0.90 // of the power: speech coders leave a little beside a pure tone
)

// party is a phone's make and its codec.
type party struct{ maker, codec string }

func (p party) String() string { return p.maker + " " + p.codec }

// parties are the phones with each codec that they have.
func parties(t *testing.T) (all []party) {
	for _, codec := range []string{"pcmu", "pcma", "g722", "opus", "gsm"} {
		all = append(all, party{"baresip", codec}, party{"linphone", codec})
	}
	all = append(all, party{"linphone", "speex"}) // baresip has none
	if hasG729(t) {
		all = append(all, party{"linphone", "g729"})
	}
	return all
}

// hasG729 tells whether the program was built with the tag g729.
func hasG729(t *testing.T) bool {
	t.Helper()
	info, err := buildinfo.ReadFile(os.Getenv(binaryEnv))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" && strings.Contains(s.Value, "g729") {
			return true
		}
	}
	return false
}

// talker is one of the phones, with a tone that no other has, so that a call that
// was connected wrongly is heard too.
type talker struct {
	peer.Phone
	party  party
	number string
	tone   float64
}

const (
	firstTone = 400.0 // Hz
	toneStep  = 23.0  // a bin of the look at it
)

// talkers starts two phones of each party.
func talkers(t *testing.T, s *server, all []party) (callers, callees []talker) {
	t.Helper()
	start := func(n int, p party) talker {
		k := talker{party: p, number: fmt.Sprint(firstNumber + n), tone: firstTone + toneStep*float64(n)}
		change := func(a *peer.Account) { a.Codec, a.Tone = p.codec, k.tone }
		if p.maker == "baresip" {
			k.Phone = baresip(t, s, k.number, change)
		} else {
			k.Phone = linphone(t, s, k.number, change)
		}
		return k
	}
	for i, p := range all {
		callers = append(callers, start(2*i, p))
		callees = append(callees, start(2*i+1, p))
	}
	return callers, callees
}

const firstNumber = 200

// The SIPp parties: one for each codec that sends back what it hears, and for each
// law one that plays.
var echoes = []struct{ codec, format string }{
	{"pcmu", "PCMU/8000"},
	{"pcma", "PCMA/8000"},
	{"g722", "G722/8000"},
	{"gsm", "GSM/8000"},
	{"opus", "opus/48000/2"},
	{"speex", "speex/8000"},
}

// law is one of G.711's, which SIPp plays files of.
type law struct {
	pt   string
	code func(tone.Sound) []byte
}

var laws = map[string]law{"pcmu": {"0", tone.MuLaw}, "pcma": {"8", tone.ALaw}}

const (
	echoNumber, playNumber = 500, 600
	playTone               = bobTone
)

// machines starts the SIPp parties and gives the trunks and routes to them.
func machines(t *testing.T) string {
	t.Helper()
	space := ""
	reach := func(name string, number int, codec string, p peer.SIPp) {
		p.Port = peer.FreePort(t)
		peer.StartSIPp(t, p)
		space += trunkAt(name, p.Port) + fmt.Sprintf("codecs = [%q]\n", codec) + routes(fmt.Sprint(number), "trunk:"+name+"/1")
	}
	for i, e := range echoes {
		reach("echo-"+e.codec, echoNumber+i, e.codec, peer.SIPp{
			Scenario: filled(t, "party.xml", t.TempDir(), "FORMAT", e.format),
			Args:     []string{"-mp", fmt.Sprint(peer.FreeMedia(t)), "-rtp_echo"},
		})
		if law, ok := laws[e.codec]; ok {
			folder := t.TempDir()
			sound := law.code(tone.Sine(playTone, 5*time.Second, 8000)) // whole periods: no click when it begins again
			if err := os.WriteFile(filepath.Join(folder, "tone"), sound, 0o600); err != nil {
				t.Fatal(err)
			}
			reach("play-"+e.codec, playNumber+i, e.codec, peer.SIPp{
				Scenario: filled(t, "player.xml", folder, "FORMAT", e.format, "PT", law.pt), Folder: folder,
			})
		}
	}
	return space
}

// filled copies a scenario of testdata into a folder, with words in it replaced.
func filled(t *testing.T, name, folder string, words ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(words...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEveryPairOfCodecs calls from each phone and codec to each, and listens both
// ways: every phone is in one call a round. Then all call SIPp, which plays, or
// sends back what it hears, so that sound has gone both ways. The table that it
// prints has who speaks from top to bottom, who hears from left to right.
func TestEveryPairOfCodecs(t *testing.T) {
	all := parties(t)
	var numbers []string
	for i := range 2 * len(all) {
		numbers = append(numbers, fmt.Sprint(firstNumber+i))
	}
	s := startServer(t, people(numbers...)+machines(t))
	callers, callees := talkers(t, s, all)
	heard := table{}
	for round := range len(all)/2 + 1 {
		s.round(t, heard, callers, func(i int) talker { return callees[(i+round)%len(all)] })
	}
	for i, e := range echoes {
		s.machine(t, heard, callers, echoNumber+i, echoName+e.codec, func(k talker) float64 { return k.tone })
		if _, ok := laws[e.codec]; ok {
			s.machine(t, heard, callers, playNumber+i, "SIPp plays "+e.codec, func(talker) float64 { return playTone })
		}
	}
	t.Log(heard.text(all))
	s.awaitNoCalls(t)
}

// round lets each caller call its callee, all at once.
func (s *server) round(t *testing.T, heard table, callers []talker, callee func(int) talker) {
	t.Helper()
	var from, to []peer.Since
	for i, a := range callers {
		a.Dial(t, callee(i).number)
	}
	for i := range callers {
		callee(i).AwaitIncoming(t)
		callee(i).Answer(t)
	}
	for i, a := range callers {
		a.AwaitEstablished(t)
		callee(i).AwaitEstablished(t)
		from, to = append(from, a.Ear().Now()), append(to, callee(i).Ear().Now())
	}
	ways := s.ways(t)
	for i, a := range callers {
		b := callee(i)
		heard.listen(t, b.party.String(), a, from[i], b.tone, ways[a.number])
		heard.listen(t, a.party.String(), b, to[i], a.tone, ways[a.number])
	}
	for _, a := range callers {
		a.Hangup(t)
	}
	for i, a := range callers {
		callee(i).AwaitClosed(t)
		a.AwaitClosed(t)
	}
}

// machine lets each caller call a number that answers by itself.
func (s *server) machine(t *testing.T, heard table, callers []talker, number int, name string, hears func(talker) float64) {
	t.Helper()
	var since []peer.Since
	for _, a := range callers {
		a.Dial(t, fmt.Sprint(number))
	}
	for _, a := range callers {
		a.AwaitEstablished(t)
		since = append(since, a.Ear().Now())
	}
	ways := s.ways(t)
	for i, a := range callers {
		heard.listen(t, name, a, since[i], hears(a), ways[a.number])
	}
	for _, a := range callers {
		a.Hangup(t)
		a.AwaitClosed(t)
	}
}

// ways tells how the sound of each call goes, by the caller's number.
func (s *server) ways(t *testing.T) map[string]string {
	t.Helper()
	var calls []struct {
		Number string   `json:"number"`
		Ways   []string `json:"ways"`
	}
	s.list(t, &calls, "calls")
	ways := map[string]string{}
	for _, c := range calls {
		ways[c.Number] = strings.Join(c.Ways, " ")
	}
	return ways
}

// cell is how one party hears another.
type cell struct{ by, hears string }

// field is what is written in a cell.
type field struct {
	way string
	tone.Measure
}

type table map[cell]field

// listen measures what a phone hears, and fails the test when it is not the tone.
func (h table) listen(t *testing.T, by string, k talker, since peer.Since, hz float64, way string) {
	t.Helper()
	m, ok := k.Ear().Measure(since, hz)
	where := fmt.Sprintf("%s, heard by %v (%s)", by, k.party, way)
	if !ok {
		t.Errorf("%s: no %v Hz", where, hz)
		return
	}
	m.Level -= quirk(by, k.party)
	if math.Abs(m.Hz-hz) > pitchOff || math.Abs(m.Level) > levelOff || m.Share < shareMin {
		t.Errorf("%s: %v Hz is %+v", where, hz, m)
	}
	m.Hz -= hz
	h[cell{by, k.party.String()}] = field{way, m}
}

// quirk is what phones themselves add to the level, in dB, seen where the server
// hands on what they say as it is: linphone's G.722 has half the scale that all
// others' have.
func quirk(by string, heard party) (level float64) {
	if by == halfScale {
		level -= 6
	}
	if heard.String() == halfScale && !strings.HasPrefix(by, echoName) { // it says and hears itself
		level += 6
	}
	return level
}

// echoName begins the names of the SIPp parties that send back.
const echoName = "echo of SIPp "

const halfScale = "linphone g722"

// text is the table for people: way, level in dB, share of the power in percent.
func (h table) text(all []party) string {
	var speakers []string
	for _, p := range all {
		speakers = append(speakers, p.String())
	}
	for _, e := range echoes {
		speakers = append(speakers, echoName+e.codec, "SIPp plays "+e.codec)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tones as heard: r relayed, t transcoded; dB beside what was said; %% of the power\n\n|")
	for _, p := range all {
		fmt.Fprintf(&b, " | %v", p)
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---", len(all)) + "|\n")
	worst, sum := 0.0, 0
	for _, by := range speakers {
		row, any := "| "+by, false
		for _, p := range all {
			f, ok := h[cell{by, p.String()}]
			if !ok {
				row += " |"
				continue
			}
			any, worst, sum = true, max(worst, math.Abs(f.Hz)), sum+1
			row += fmt.Sprintf(" | %.1s %+.1f %.1f", f.way, f.Level, 100*f.Share)
		}
		if any {
			b.WriteString(row + " |\n")
		}
	}
	fmt.Fprintf(&b, "\n%d, the pitch at most %.2f Hz off", sum, worst)
	return b.String()
}
