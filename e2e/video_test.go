package e2e

import (
	"sync"
	"testing"
	"time"

	"tincan/e2e/peer"
)

// film is what of a stream of pictures passes on a cable.
type film struct {
	begins func([]byte) (begins, key bool) // nil: it is of VP8

	mu     sync.Mutex // guards what follows
	frames int
	keys   []time.Time // of whole pictures
}

// watch looks at a packet, and lets it pass.
func (f *film) watch(packet []byte) bool {
	_, _, ok := peer.UDPPorts(packet)
	if !ok {
		return false
	}
	rtp := packet[4*int(packet[0]&15)+8:]
	if len(rtp) < 13 || rtp[0]>>6 != 2 || rtp[1]&0x7f < 96 || rtp[1] >= 200 && rtp[1] <= 207 {
		return false
	}
	look := f.begins
	if look == nil {
		look = vp8Begins
	}
	begins, key := look(rtp[12:])
	if !begins {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frames++
	if key {
		f.keys = append(f.keys, time.Now())
	}
	return false
}

// vp8Begins tells whether a payload begins a frame, and whether that is a whole
// picture (RFC 7741 4.2, 4.3).
func vp8Begins(b []byte) (begins, key bool) {
	const extended, start, partition = 0x80, 0x10, 0x07
	if b[0]&start == 0 || b[0]&partition != 0 {
		return false, false
	}
	at := 1
	if b[0]&extended != 0 && len(b) > 2 {
		flags := b[1]
		at = 2
		if flags&0x80 != 0 { // picture ID, in one byte or two
			if b[at]&0x80 != 0 {
				at++
			}
			at++
		}
		if flags&0x40 != 0 {
			at++
		}
		if flags&0x30 != 0 {
			at++
		}
	}
	return true, at < len(b) && b[at]&1 == 0
}

// await waits for a whole picture that passed after a moment, and gives how long
// after.
func (f *film) await(t *testing.T, after time.Time) time.Duration {
	t.Helper()
	deadline := time.NewTimer(peer.Patience)
	defer deadline.Stop()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		f.mu.Lock()
		for _, at := range f.keys {
			if at.After(after) {
				f.mu.Unlock()
				return at.Sub(after)
			}
		}
		frames := f.frames
		f.mu.Unlock()
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("no whole picture among %d frames", frames)
		}
	}
}

// pictureTime is how soon somebody who joins sees a whole picture. It is no more
// than asking and answering takes.
const pictureTime = time.Second

// Two phones see each other: VP8 passes both ways, begins with a whole picture, and
// so does what is seen after a hold.
func TestVideoBetweenPhones(t *testing.T) {
	t.Parallel()
	here, far, link := newFarPlace(t)
	toAda, toBob := &film{}, &film{}
	link.Weather(peer.Weather{Drop: toAda.watch}, peer.Weather{Drop: toBob.watch})
	s := startServerAt(t, place{ip: publicIP, netns: here}, people(ada, bob))
	a := baresip(t, s, ada, func(a *peer.Account) { a.IP, a.Netns, a.Video = farIP, far, true })
	b := baresip(t, s, bob, func(a *peer.Account) { a.IP, a.Netns, a.Video = publicIP, here, true })
	began := time.Now()
	connect(t, a, b, bob)
	toAda.await(t, began)
	toBob.await(t, began)
	hearEachOther(t, a, adaTone, b, bobTone)

	a.Hold(t)
	time.Sleep(2 * time.Second) // held: frames that nobody sees
	resumed := time.Now()
	a.Resume(t)
	if took := toAda.await(t, resumed); took > pictureTime {
		t.Errorf("after a hold a whole picture comes after %v", took)
	}
	hangUp(t, a, b)
}

// Two browsers see each other, and after a hold again.
func TestVideoBetweenBrowsers(t *testing.T) {
	s := startServer(t, people(ada, bob))
	camera := func(a *peer.Account) { a.Video = true }
	a, b := browser(t, s, ada, camera), browser(t, s, bob, camera)
	connect(t, a, b, bob)
	for _, p := range []*peer.Browser{a, b} {
		p.Sees(t, 20)
	}
	hearEachOther(t, a, adaTone, b, bobTone)
	a.Hold(t)
	a.Resume(t)
	for _, p := range []*peer.Browser{a, b} {
		p.Sees(t, 20)
	}
	hangUp(t, b, a)
}
