package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FileName is the key's file in the data folder.
const FileName = "tincan.key"

// Env is the environment variable that holds the key instead of the file: base64
// of 32 bytes, as the file has it.
const Env = "TINCAN_KEY"

// Open opens the key in TINCAN_KEY, else in dir/tincan.key, which is made (with
// dir) when missing. A key file that others may read is refused.
func Open(dir string) (*Box, error) {
	if text := os.Getenv(Env); text != "" {
		b, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; write the output of: openssl rand -base64 32", Env, err)
		}
		return b, nil
	}
	path := filepath.Join(dir, FileName)
	b, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, path); err != nil {
			return nil, fmt.Errorf("make the key file: %w", err)
		}
		return read(path)
	}
	return b, err
}

func read(path string) (*Box, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s has mode %04o and may be read by others; run: chmod 600 %s", path, mode.Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w; restore it from a backup (without it the sealed secrets cannot be read)", path, err)
	}
	return b, nil
}

func parse(text string) (*Box, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	return New(key)
}

// create writes a new key so that there is never half a file under its name, and
// never a second key when two start at once.
func create(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, FileName+".*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	_, err = fmt.Fprintln(f, base64.StdEncoding.EncodeToString(key))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
