package peer

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// machinePatience bounds all that a machine does, where the processor that it sees is
// computed by a program, because there is no KVM: that is some twenty times slower.
const machinePatience = 10 * time.Minute

// Machine is a virtual machine that runs Debian's own kernel and sees this machine's
// files, but cannot change them.
//
//	test ── builds initramfs ── qemu ── kernel ── e2e/guest ── commands
//	  ^                           │                               │
//	  └──── exit codes, output ───┴──────── serial line ──────────┘
type Machine struct {
	Netns    Netns // where the taps of its cards are
	Cards    []Card
	Modules  []string // of the kernel, by name; what they need comes with them
	Env      []string // of the commands, as NAME=value
	Commands []Command
}

// Card is a network card of a machine.
type Card struct {
	Name  string // that the machine gives it
	Model string // as qemu calls it
	Cable string // cards of one cable hear each other
	// Log, if not empty, is a file for all that passes the cable (ReadCableLog).
	Log string
	// Tap is the cable's end at this machine, an interface made for it; empty: qemu
	// itself is the cable.
	Tap string
}

// plan is what e2e/guest reads.
type plan struct {
	Modules  []string          // files, in the order they are loaded
	Cards    map[string]string // names by addresses
	Env      []string
	Commands []Command
}

// Command is a program of this machine's, with where and how it runs in the other.
type Command struct {
	Dir  string
	Argv []string
}

// Run starts the machine and waits until it switches itself off. It gives the exit code
// of each command, as far as they came to run.
func (m Machine) Run(t testing.TB) []int {
	t.Helper()
	Need(t, "qemu-system-x86_64", "apt-get", "dpkg-deb")
	folder := t.TempDir()
	kernel := debianKernel(t)
	initramfs := filepath.Join(folder, "initramfs")
	if err := m.initramfs(initramfs, buildGuest(t, folder), kernel); err != nil {
		t.Fatalf("initramfs: %v", err)
	}
	images, err := filepath.Glob(filepath.Join(kernel, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		t.Fatalf("%d kernels in %s: %v", len(images), kernel, err)
	}
	p := Start(t, Spec{
		Name: "qemu", Path: "qemu-system-x86_64", Netns: m.Netns,
		Args: append(m.arguments(), "-kernel", images[0], "-initrd", initramfs),
	})
	if code := p.Wait(t, machinePatience); code != 0 {
		t.Fatalf("qemu ended with %d", code)
	}
	t.Logf("in the machine:\n%s", strings.Join(p.Output(), "\n"))
	return exitCodes(p.Output())
}

// exitCodes reads what e2e/guest says of its commands.
func exitCodes(lines []string) (codes []int) {
	for _, line := range lines {
		var i, code int
		if n, _ := fmt.Sscanf(line, "guest: ended %d %d", &i, &code); n == 2 && i == len(codes) {
			codes = append(codes, code)
		}
	}
	return codes
}

func (m Machine) arguments() []string {
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
		"-append", "console=ttyS0 quiet panic=-1",
		"-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
	}
	for i, c := range m.Cards {
		id := fmt.Sprint("card", i)
		end := "hubport,hubid=" + c.Cable
		if c.Tap != "" {
			end = "tap,script=no,downscript=no,ifname=" + c.Tap
		}
		args = append(args, "-netdev", end+",id="+id, "-device", c.Model+",netdev="+id+",mac="+mac(i))
		if c.Log != "" {
			args = append(args, "-object", "filter-dump,id=log"+id+",netdev="+id+",file="+c.Log)
		}
	}
	return args
}

func mac(card int) string { return fmt.Sprintf("52:54:00:00:00:%02x", card+1) }

// debianKernel gives the folder of the kernel that Debian has for this machine, from the
// user's cache.
func debianKernel(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	command := exec.Command("../scripts/kernel", filepath.Join(cache, "tincan-tests"))
	command.Stderr = &said
	folder, err := command.Output()
	if err != nil {
		missing(t, fmt.Sprintf("scripts/kernel: %v: %s", err, said.String()))
	}
	return strings.TrimSpace(string(folder))
}

func buildGuest(t testing.TB, folder string) string {
	t.Helper()
	file := filepath.Join(folder, "guest")
	build := exec.Command("go", "build", "-o", file, "tincan/e2e/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // there is nothing to link with, where it runs
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build e2e/guest: %v\n%s", err, out)
	}
	return file
}

// initramfs writes the files that a machine has before it sees this one's.
func (m Machine) initramfs(file, guest, kernel string) error {
	modules, err := findModules(kernel)
	if err != nil {
		return err
	}
	p := plan{Cards: map[string]string{}, Env: m.Env, Commands: m.Commands}
	for _, name := range m.Modules {
		if p.Modules, err = modules.needs(name, p.Modules); err != nil {
			return err
		}
	}
	for i, c := range m.Cards {
		p.Cards[mac(i)] = c.Name
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	var a archive
	a.add("/guest.json", text)
	if err := a.file("/init", guest); err != nil {
		return err
	}
	for _, path := range p.Modules {
		if err := a.file(path, modules[moduleName(path)]); err != nil {
			return err
		}
	}
	return os.WriteFile(file, a.bytes(), 0o600)
}

// modules are a kernel's files by the names of modules.
type modules map[string]string

func findModules(kernel string) (modules, error) {
	all := modules{}
	return all, filepath.WalkDir(filepath.Join(kernel, "lib"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".ko") {
			all[moduleName(path)] = path
		}
		return err
	})
}

// moduleName: the kernel takes - and _ for the same.
func moduleName(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
}

// needs appends a module to those that are loaded before it, and first what it needs and
// is not among them. Debian ships no list of that: it stands in each module.
func (all modules) needs(name string, loaded []string) ([]string, error) {
	name = moduleName(name)
	path := "/" + name + ".ko"
	if slices.Contains(loaded, path) {
		return loaded, nil
	}
	f, err := elf.Open(all[name])
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Section(".modinfo").Data()
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	for _, field := range strings.Split(string(info), "\x00") {
		list, ok := strings.CutPrefix(field, "depends=")
		if !ok || list == "" {
			continue
		}
		for _, other := range strings.Split(list, ",") {
			if loaded, err = all.needs(other, loaded); err != nil {
				return nil, err
			}
		}
	}
	return append(loaded, path), nil
}
