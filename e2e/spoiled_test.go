package e2e

import (
	"strings"
	"testing"

	"tincan/e2e/peer"
)

// spoils are what a broken or hostile phone may say in place of its packets.
func spoils() map[string]peer.Spoil {
	one := func(change func(n int, k *peer.Packet)) peer.Spoil {
		return func(n int, k peer.Packet) []peer.Packet {
			change(n, &k)
			return []peer.Packet{k}
		}
	}
	return map[string]peer.Spoil{
		"payload types change": one(func(n int, k *peer.Packet) { k.PT = []uint8{0, 8, 3, 97, 0, 9, 127}[n%7] }),
		"frames of no length": one(func(n int, k *peer.Packet) {
			k.Payload = make([]byte, []int{0, 1, 33, 161, 500, 1400}[n%6])
		}),
		"time stands still": one(func(_ int, k *peer.Packet) { k.Time = 12345 }),
		"time jumps":        one(func(n int, k *peer.Packet) { k.Time += uint32(n%9) << 27 }),
		"numbers jump":      one(func(n int, k *peer.Packet) { k.Seq *= 7001; k.Time += uint32(n) }),
		"two senders with one SSRC": func(_ int, k peer.Packet) []peer.Packet {
			other := k
			other.Seq, other.Time = k.Seq+20000, k.Time+1<<30
			other.Payload = make([]byte, len(k.Payload))
			return []peer.Packet{k, other}
		},
		"a new SSRC each time": one(func(n int, k *peer.Packet) { k.SSRC += uint32(n) }),
		"a flood": func(_ int, k peer.Packet) (all []peer.Packet) {
			for range 20 {
				all = append(all, k)
				k.Seq++
			}
			return all
		},
	}
}

// spoiledFor is how many bad packets are said at least.
const spoiledFor = 50

// TestSpoiledSound: a party says what it should not, to one whose codec is another
// and into a conference. The server goes on, the other side's sound is heard all the
// time, the spoiler's again once it is good, and the log has a line a call at most.
func TestSpoiledSound(t *testing.T) {
	for _, way := range []string{"transcode", "conference"} {
		for name, spoil := range spoils() {
			t.Run(way+", "+name, func(t *testing.T) {
				t.Parallel()
				a, b := peer.StartPlain(t, "pcmu", adaTone), peer.StartPlain(t, "pcma", bobTone)
				s := startServer(t, trunkAt("a", a.Port)+trunkAt("b", b.Port)+"codecs = [\"pcma\"]\n"+
					fromA("9000", "trunk:b/9000")+fromA("800", "conference:lounge")+
					"[[route]]\nfrom = \"trunk:b\"\nnumber = \"800\"\nto = \"conference:lounge\"\n")
				if way == "conference" {
					a.Dial(t, s.address(), "800")
					b.Dial(t, s.address(), "800")
				} else {
					a.Dial(t, s.address(), "9000")
				}
				b.Hears(t, 0, adaTone, stepHeard)
				since := a.Hears(t, 0, bobTone, stepHeard)
				spoiled := make(chan struct{})
				a.Spoil(func(n int, k peer.Packet) []peer.Packet {
					if n == spoiledFor {
						close(spoiled)
					}
					return spoil(n, k)
				})
				<-spoiled
				a.Spoil(nil)
				b.Hears(t, len(b.Heard()), adaTone, stepHeard)
				a.Hears(t, len(a.Heard()), bobTone, stepHeard)
				// Nothing that a says may harm what it hears.
				heard := a.Heard()[since:]
				inOrder(t, "the spoiler", heard, 0)
				if sound := a.Sound(heard); sound.Chord(bobTone) < sound.Duration()*9/10 {
					t.Errorf("the spoiler heard %v of %v without a break", sound.Chord(bobTone), sound.Duration())
				}
				a.Hangup(t)
				calls := 1
				if way == "conference" {
					b.Hangup(t)
					calls++
				}
				s.awaitNoCalls(t)
				s.quiet(t, calls)
			})
		}
	}
}

// quiet fails the test when the log warns more often than so, or of an error.
func (s *server) quiet(t *testing.T, most int) {
	t.Helper()
	var lines []string
	for _, line := range s.Output() {
		if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) {
			lines = append(lines, line)
		}
	}
	if text := strings.Join(lines, "\n"); len(lines) > most || strings.Contains(text, "ERROR") {
		t.Errorf("the log has:\n%s", text)
	}
}
