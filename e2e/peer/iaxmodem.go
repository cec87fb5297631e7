package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// FaxSpeed is a speed that modems may send data at.
type FaxSpeed int

const (
	V21 FaxSpeed = 3  // 300 bit/s, frames of HDLC: what fax machines agree by
	V29 FaxSpeed = 96 // 9600 bit/s: pages
)

// ModemSpec is a modem's account.
type ModemSpec struct {
	Server       string // host:port
	User, Secret string
	Codec        string // "ulaw", "alaw" or "slinear"
}

// Modem is iaxmodem: a fax modem (class 1, spandsp) whose line is IAX2, without
// call tokens. It is driven by AT commands over a terminal of its own.
//
//	test ──AT commands, frames──> tty ──> spandsp ──> IAX2, sound ──> server
type Modem struct {
	*Process
	name   string
	device string
	tty    *os.File
	said   *journal[byte]
	at     int // cursor in said
}

// StartModem starts a modem and waits until it has registered.
func StartModem(t testing.TB, spec ModemSpec) *Modem {
	t.Helper()
	m := StartModemUnregistered(t, spec)
	m.Await(t, "Registration completed successfully") // by then it has its terminal too
	m.open(t)
	m.Command(t, "ATE0")
	m.Command(t, "AT+FCLASS=1")
	return m
}

// StartModemUnregistered starts a modem that the server need not take.
func StartModemUnregistered(t testing.TB, spec ModemSpec) *Modem {
	t.Helper()
	Need(t, "iaxmodem", "stdbuf")
	folder := t.TempDir()
	device, config := filepath.Join(folder, "tty"), filepath.Join(folder, "modem")
	text := fmt.Sprintf("device %s\nowner %s\nmode 600\nport %d\nrefresh 60\nserver %s\npeername %s\nsecret %s\ncidname Modem %s\ncidnumber %s\ncodec %s\nnodaemon\niax2debug\n",
		device, owner(t), FreePort(t), spec.Server, spec.User, spec.Secret, spec.User, spec.User, spec.Codec)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &Modem{name: "modem " + spec.User, device: device, said: newJournal[byte]()}
	// It takes names within /etc/iaxmodem alone, and keeps what it says to itself
	// until there is a page of it.
	m.Process = Start(t, Spec{Name: m.name, Path: "stdbuf", Args: []string{"-oL", "iaxmodem", "../.." + config}, Dir: folder})
	return m
}

func owner(t testing.TB) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return me.Username + ":" + group.Name
}

// open opens the terminal, raw, and reads from it until the test ends.
func (m *Modem) open(t testing.TB) {
	t.Helper()
	var err error
	if m.tty, err = os.OpenFile(m.device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := raw(m.tty); err != nil {
		t.Fatalf("%s: %v", m.device, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.read()
	}()
	t.Cleanup(func() {
		_ = m.tty.Close()
		<-done
		if t.Failed() {
			t.Logf("---- %s's terminal ----\n%q", m.name, m.said.all())
		}
	})
}

// raw has the terminal change nothing on the way.
func raw(tty *os.File) error {
	conn, err := tty.SyscallConn() // unlike Fd it leaves reads interruptible
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		mode, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		if err != nil {
			failed = err
			return
		}
		mode.Iflag, mode.Oflag, mode.Lflag = 0, 0, 0
		mode.Cflag = mode.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
		failed = unix.IoctlSetTermios(int(fd), unix.TCSETS, mode)
	})
	return errors.Join(err, failed)
}

func (m *Modem) read() {
	defer m.said.end()
	for b := make([]byte, 1024); ; {
		n, err := m.tty.Read(b)
		for _, c := range b[:n] {
			m.said.add(c)
		}
		if err != nil {
			return
		}
	}
}

// Command sends a command and waits for its OK.
func (m *Modem) Command(t testing.TB, command string) {
	t.Helper()
	m.Type(t, command+"\r")
	m.Says(t, "OK")
}

// Type sends text as it is.
func (m *Modem) Type(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(m.tty, text); err != nil {
		t.Fatalf("%s: %v", m.name, err)
	}
}

// Says waits for text from the modem.
func (m *Modem) Says(t testing.TB, text string) {
	t.Helper()
	m.until(t, []byte(text+"\r\n"))
}

// until gives what came before end, and moves behind it.
func (m *Modem) until(t testing.TB, end []byte) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var got []byte
	for !bytes.HasSuffix(got, end) {
		c, next, err := m.said.await(ctx, m.at, func(byte) bool { return true })
		if err != nil {
			t.Fatalf("%s: never said %q, but %q: %v", m.name, end, got, err)
		}
		got, m.at = append(got, c), next
	}
	return got[:len(got)-len(end)]
}

// dataEnd ends what a modem and its computer exchange (TIA-578): DLE ETX. A DLE
// within is doubled, so tests' data have none.
const dataEnd = "\x10\x03"

// Sends modulates data to the other side, once the modem is connected at a speed.
func (m *Modem) Sends(t testing.TB, data []byte) {
	t.Helper()
	m.Type(t, string(data)+dataEnd)
	m.Says(t, "OK")
}

// Hears gives what the other side's modem sent.
func (m *Modem) Hears(t testing.TB) []byte {
	t.Helper()
	return m.until(t, []byte(dataEnd))
}

// Talks turns the line round: from then on from sends to to at a speed.
func Talks(t testing.TB, from, to *Modem, speed FaxSpeed) {
	t.Helper()
	what := "M"
	if speed == V21 {
		what = "H"
	}
	to.Type(t, fmt.Sprintf("AT+FR%s=%d\r", what, speed))
	from.Type(t, fmt.Sprintf("AT+FT%s=%d\r", what, speed))
	from.Says(t, "CONNECT")
}
