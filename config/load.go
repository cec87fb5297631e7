package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tincan/config/form"
)

// maxSize bounds the file: a hundred times what one with every key has.
const maxSize = 1 << 20

// Load reads the file at path. An empty path means DefaultFile in the working
// folder if it is there, else Defaults. What is wrong with the file comes all at
// once, as form.Faults.
func Load(path string) (*Config, error) {
	name := path
	if name == "" {
		name = DefaultFile
	}
	text, err := read(name)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return Defaults(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; name another file with --config, or leave it out for defaults", err)
	}
	return Parse(name, text)
}

func read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), maxSize)
	}
	return os.ReadFile(name)
}

// Parse is Load for text that is already read; name stands in errors, and
// relative paths in it are relative to its folder.
func Parse(name string, text []byte) (*Config, error) {
	doc, err := form.Parse(name, text)
	if err != nil {
		return nil, err
	}
	c := Defaults()
	c.File = name
	faults := doc.Decode(c)
	k := checker{doc: doc, config: c, faults: faults}
	k.all()
	if err := k.faults.Err(); err != nil {
		return nil, err
	}
	c.settle(filepath.Dir(name))
	return c, nil
}

// settle makes relative paths relative to the file's folder.
func (c *Config) settle(dir string) {
	paths := []*string{&c.Data, &c.SIP.Certificate, &c.SIP.Key, &c.SIP.Authorities, &c.Sound.Prompts, &c.Sound.Recordings}
	if !strings.Contains(c.Sound.Music, "://") {
		paths = append(paths, &c.Sound.Music)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}
