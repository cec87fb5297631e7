// Command guest is the first program of a virtual machine that peer.Machine starts: it
// makes Debian's own kernel ready for tests, runs them, and switches off.
//
//	kernel ── /init (this) ── modules ── the host's files, which nobody can change
//	             │
//	             └── cards get their names ── command, command ... ── power off
//
// What it does stands in /guest.json beside it (Plan). All that commands print goes to
// the serial line, and after each a line with ended, its number and its exit code.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Plan is what a machine is to do, as peer.Machine writes it.
type Plan struct {
	Modules  []string          // of the kernel, files, in the order they are loaded
	Cards    map[string]string // names of network cards, by their addresses
	Env      []string          // of the commands, as NAME=value
	Commands []Command
}

// Command is a program of the host's to run.
type Command struct {
	Dir  string
	Argv []string
}

// ended begins the line that tells of a command's end, as peer.Machine looks for it.
const ended = "guest: ended"

// host is where the host's files are seen.
const host = "/host"

func main() {
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("guest: power off:", err)
	}
}

func run() error {
	p, err := plan()
	if err != nil {
		return err
	}
	for _, file := range p.Modules {
		if err := insert(file); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	if err := enter(); err != nil {
		return err
	}
	if err := name(p.Cards); err != nil {
		return err
	}
	for i, c := range p.Commands {
		code, err := obey(c)
		if err != nil {
			return err
		}
		fmt.Println(ended, i, code)
	}
	return nil
}

// plan reads what is to do, and takes over the environment: this program, too, looks
// for others.
func plan() (p Plan, err error) {
	text, err := os.ReadFile("/guest.json")
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, err
	}
	for _, e := range p.Env {
		name, value, _ := strings.Cut(e, "=")
		if err := os.Setenv(name, value); err != nil {
			return p, err
		}
	}
	return p, nil
}

func insert(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// mounts are what commands find besides the host's files, in this order.
var mounts = []struct{ kind, source, folder, options string }{
	{"9p", "host", host, "trans=virtio,version=9p2000.L,cache=loose,msize=512000"},
	{"proc", "proc", host + "/proc", ""},
	{"sysfs", "sysfs", host + "/sys", ""},
	{"devtmpfs", "dev", host + "/dev", ""},
	{"tmpfs", "run", host + "/run", ""},
}

// enter makes the host's files the root, with what a kernel shows of itself and a place
// to write to.
func enter() error {
	if err := os.Mkdir(host, 0o755); err != nil {
		return err
	}
	for i, m := range mounts {
		var flags uintptr
		if i == 0 {
			flags = unix.MS_RDONLY
		}
		if err := unix.Mount(m.source, m.folder, m.kind, flags, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.folder, err)
		}
	}
	if err := unix.Chroot(host); err != nil {
		return err
	}
	return os.Chdir("/")
}

// name gives the cards their names, by which tests know them. Their drivers have found
// them by the time they are loaded.
func name(cards map[string]string) error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	commands, found := [][]string{{"ip", "link", "set", "lo", "up"}}, 0
	for _, i := range all {
		if card, ok := cards[i.HardwareAddr.String()]; ok {
			commands = append(commands, []string{"ip", "link", "set", i.Name, "name", card})
			found++
		}
	}
	if found < len(cards) {
		return fmt.Errorf("%d network cards of %d appeared", found, len(cards))
	}
	return each(commands)
}

func each(commands [][]string) error {
	for _, argv := range commands {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", argv, err, out)
		}
	}
	return nil
}

// obey runs a command to its end, and gives its exit code. What else ends meanwhile has
// lost its parent, and so is this program's child.
func obey(c Command) (int, error) {
	path, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return 0, err
	}
	attr := os.ProcAttr{Dir: c.Dir, Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stdout}}
	p, err := os.StartProcess(path, c.Argv, &attr)
	if err != nil {
		return 0, err
	}
	for {
		var status unix.WaitStatus
		switch pid, err := unix.Wait4(-1, &status, 0, nil); {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case pid == p.Pid:
			return status.ExitStatus(), nil
		}
	}
}
