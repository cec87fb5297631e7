package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// bpffs is where Debian mounts the bpf file system.
const bpffs = "/sys/fs/bpf"

// FolderFor gives the folder of pins for a server by its data folder, so that
// two servers never meet and the same one finds its own. It mounts the file
// system if that is not done and allowed.
func FolderFor(data string) (string, error) {
	if err := TryPins(); err != nil {
		return "", err
	}
	info, err := os.Stat(data)
	if err != nil {
		return "", fmt.Errorf("%w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%s has no number", data)
	}
	return filepath.Join(bpffs, fmt.Sprintf("tincan-%x-%x", stat.Dev, stat.Ino)), nil
}

// TryPins tells whether pins can be made.
func TryPins() error {
	if err := mountBPF(); err != nil {
		return err
	}
	if err := unix.Access(bpffs, unix.W_OK); err != nil {
		return fmt.Errorf("%s cannot be written: %w", bpffs, err)
	}
	return nil
}

func mountBPF() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(bpffs, &fs); err != nil {
		return fmt.Errorf("%s: %w", bpffs, err)
	}
	if uint32(fs.Type) == unix.BPF_FS_MAGIC {
		return nil
	}
	if err := unix.Mount("bpf", bpffs, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("no bpf file system is mounted at %s: %w", bpffs, err)
	}
	return nil
}

// explain says what a kernel's refusal means.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !isVerifier(err):
		return refusal{"the kernel refuses programs (EPERM)", err}
	case errors.Is(err, unix.ENOSYS):
		return refusal{"the kernel has no eBPF (ENOSYS)", err}
	}
	return fmt.Errorf("the kernel relay cannot start: %w", err)
}

// refusal is a reason in few words, fit to stand beside each call, and what was
// tried.
type refusal struct {
	reason string
	cause  error
}

func (r refusal) Error() string { return r.reason }
func (r refusal) Unwrap() error { return r.cause }

func isVerifier(err error) bool {
	var v *ebpf.VerifierError
	return errors.As(err, &v)
}

// Try tells whether this process may load the program, without attaching it.
func Try() error {
	const ports = 1
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: mapName, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(slotSize),
		MaxEntries: uint32(tableSize(ports)), Flags: unix.BPF_F_MMAPABLE,
	})
	if err != nil {
		return explain(fmt.Errorf("make a map: %w", err))
	}
	defer func() { _ = m.Close() }()
	p, err := load(10000, ports, m)
	if err != nil {
		return explain(err)
	}
	return p.Close()
}
