package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockFile = "tincan.lock"

// errInUse: another process has the data folder.
var errInUse = errors.New("is in use by another tincan")

// lockData takes the data folder for this process: a second server, or a command
// that changes the store alone, is kept off. Closing the file gives it back.
func lockData(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path)
		_ = f.Close()
		return nil, fmt.Errorf("the data folder %s %w (process %s); stop it, or set data = \"...\" to another folder", whole(dir), errInUse, strings.TrimSpace(string(pid)))
	}
	_ = f.Truncate(0)
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return f, err
}
