package e2e

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tincan/e2e/peer"
	"tincan/e2e/tone"
)

// TestKilledRecordingPlays: a recording that kill -9 ended in the middle is a file
// that sox plays, with what was said.
func TestKilledRecordingPlays(t *testing.T) {
	t.Parallel()
	peer.Need(t, "sox")
	p := plainCall(t, "pcmu", "pcmu", "")
	path := filepath.Join(p.folder, "call.wav")
	p.tincan(t, "record", p.id, path)
	p.settle(t)
	awaitChord(t, path, adaTone, bobTone)
	p.Signal(t, syscall.SIGKILL)
	<-p.Done()
	played := filepath.Join(p.folder, "played.wav")
	if output, err := exec.Command("sox", "-V2", path, "-c", "1", played).CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("sox: %v: %s", err, output)
	}
	if s := recording(t, played); s.Chord(adaTone, bobTone) < 400*time.Millisecond {
		t.Errorf("of %v that sox plays %v is what was said", s.Duration(), s.Chord(adaTone, bobTone))
	}
}

// fullDisk is the size of a disk that a recording of a call fills in some seconds.
const fullDisk = "64k"

// TestFullDiskEndsTheRecordingAlone: the recording ends, with words in the log that
// say which and why; the call goes on, and neither party hears anything of it.
func TestFullDiskEndsTheRecordingAlone(t *testing.T) {
	t.Parallel()
	peer.NeedRoot(t)
	peer.Need(t, "sox")
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+fullDisk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	p := plainCall(t, "pcmu", "pcma", "")
	a, b := len(p.a.Heard()), len(p.b.Heard())
	path := filepath.Join(disk, "call.wav")
	p.tincan(t, "record", p.id, path)
	p.Await(t, "no space left on device")
	p.settle(t)
	unbroken(t, "the caller", p.a, a, bobTone)
	unbroken(t, "the called", p.b, b, adaTone)
	if way := p.ways(t); way[""] == "mix" {
		t.Errorf("the call is mixed still: %v", way)
	}
	whole := filepath.Join(p.folder, "played.wav")
	if output, err := exec.Command("sox", path, "-c", "1", whole).CombinedOutput(); err != nil {
		t.Errorf("sox: %v: %s", err, output)
	} else if s, err := tone.Read(whole); err != nil || s.Chord(adaTone, bobTone) < 400*time.Millisecond {
		t.Errorf("what was recorded: %v, %v", s.Duration(), err)
	}
	p.a.Hangup(t)
	p.awaitNoCalls(t)
	p.quiet(t, 1)
}
