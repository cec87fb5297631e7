package peer

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// FaxPatience bounds a page: 14,400 bit/s at most, after the two machines have
// agreed, which T.30 paces.
const FaxPatience = 90 * time.Second

// FaxMachine is a T.38 terminal of spandsp's, without signalling: it talks UDPTL
// between two ports of the loopback.
type FaxMachine struct{ program string }

// NewFaxMachine builds one from testdata/t38.c.
func NewFaxMachine(t testing.TB) FaxMachine {
	t.Helper()
	Need(t, "gcc")
	program := filepath.Join(t.TempDir(), "t38")
	build := exec.Command("gcc", "-O1", "-Wall", "-Werror", "-o", program, "peer/testdata/t38.c", "-lspandsp", "-ltiff")
	if output, err := build.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("the fax machine cannot be built (%v): run scripts/deps test\n%s", err, output))
	}
	return FaxMachine{program}
}

// Start sends or receives a TIFF file from port to remote; the process ends with 0
// when all pages are there.
func (f FaxMachine) Start(t testing.TB, what string, port, remote int, file string) *Process {
	t.Helper()
	return Start(t, Spec{
		Name: "fax that is to " + what, Path: f.program,
		Args: []string{what, strconv.Itoa(port), strconv.Itoa(remote), file}, Dir: filepath.Dir(file),
	})
}
