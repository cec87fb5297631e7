package peer

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// AsteriskSpec is how an Asterisk is set up.
type AsteriskSpec struct {
	IAX      string            // iax.conf after the port: codecs, then a section a peer
	Dialplan string            // extensions.conf
	Keys     map[string]string // name.pub or name.key, and what it holds
}

// Asterisk is a server of that name which speaks IAX2 alone. Its lines are those
// of its console, to which commands are sent.
type Asterisk struct {
	*Process
	Port int
}

// asteriskModules are those that the tests need; whatever else is built stays out.
const asteriskModules = `[modules]
autoload=no
load=res_timing_timerfd.so
load=res_crypto.so
load=bridge_simple.so
load=codec_ulaw.so
load=codec_alaw.so
load=codec_g722.so
load=codec_gsm.so
load=codec_resample.so
load=chan_iax2.so
load=func_callerid.so
load=func_channel.so
load=app_dial.so
load=app_echo.so
load=app_milliwatt.so
load=app_verbose.so
load=app_read.so
load=app_senddtmf.so
load=app_sendtext.so
load=app_originate.so
load=res_clioriginate.so
load=pbx_config.so
`

// StartAsterisk runs Asterisk until the test ends. No Debian package has it, so
// the test is left out where there is none, also where peers are required.
func StartAsterisk(t testing.TB, spec AsteriskSpec) *Asterisk {
	t.Helper()
	if _, err := exec.LookPath("asterisk"); err != nil {
		t.Skip("asterisk is not on PATH")
	}
	folder, port := t.TempDir(), FreePort(t)
	files := map[string]string{
		"modules.conf":    asteriskModules,
		"logger.conf":     "[logfiles]\nconsole => notice,warning,error,verbose\n",
		"ccss.conf":       "",
		"extensions.conf": spec.Dialplan,
		"iax.conf":        fmt.Sprintf("[general]\nbindport=%d\nbindaddr=%s\n%s", port, localhost, spec.IAX),
		"asterisk.conf":   "[directories]\nastetcdir => " + folder + "\n",
	}
	for _, name := range []string{"db", "key", "spool", "run", "log"} {
		files["asterisk.conf"] += fmt.Sprintf("ast%sdir => %s\n", name, filepath.Join(folder, name))
		if err := os.MkdirAll(filepath.Join(folder, name, "keys"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range spec.Keys {
		files[filepath.Join("key", "keys", name)] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &Asterisk{Port: port, Process: Start(t, Spec{
		Name: "asterisk", Path: "asterisk", Args: []string{"-c", "-n", "-f", "-vvv", "-C", filepath.Join(folder, "asterisk.conf")}, Dir: folder,
	})}
	a.Await(t, "Asterisk Ready")
	return a
}

// Address is where it is called.
func (a *Asterisk) Address() string { return net.JoinHostPort(localhost, strconv.Itoa(a.Port)) }
