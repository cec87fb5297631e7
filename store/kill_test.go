package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"tincan/store"
)

// killed is the environment variable that makes the test binary the process to be
// killed; it holds the data folder.
const killed = "TINCAN_TEST_KILLED"

// What was acknowledged outlives kill -9.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	if dir := os.Getenv(killed); dir != "" {
		writeForEver(dir)
		return
	}
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), killed+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := map[string]bool{}
	lines := bufio.NewScanner(out)
	for len(acknowledged) < 2000 && lines.Scan() {
		acknowledged[lines.Text()] = true
	}
	_ = child.Process.Kill()
	for lines.Scan() { // what it said before it died
		acknowledged[lines.Text()] = true
	}
	_ = child.Wait() // it was killed
	if len(acknowledged) < 2000 {
		t.Fatalf("it did not write: %v", acknowledged)
	}
	for _, id := range strings.Fields(ids(t, open(t, dir))) {
		delete(acknowledged, id+".")
	}
	for id := range acknowledged {
		if strings.HasSuffix(id, ".") { // a whole line
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
}

// writeForEver writes and says on standard output what is acknowledged.
func writeForEver(dir string) {
	s, err := store.Open(context.Background(), dir, store.Options{})
	if err == nil {
		err = s.Migrate(context.Background(), "note", notes)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	slots := make(chan struct{}, 64)
	for i := range 1 << 30 {
		slots <- struct{}{}
		id := fmt.Sprint("k", i)
		s.Write(insert(id), func(err error) {
			if err == nil {
				fmt.Println(id + ".")
			}
			<-slots
		})
	}
}
