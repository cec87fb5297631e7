package peer

import (
	"bytes"
	"fmt"
	"os"
	"path"
)

// archive is files as the kernel takes them for its first: cpio in its "new" form
// (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
//
//	"070701" | 13 numbers of 8 hexadecimal digits | name, NUL | pad to 4 | content | pad to 4
type archive struct {
	b     bytes.Buffer
	files int
}

const (
	archiveMagic = "070701"
	archiveEnd   = "TRAILER!!!"
	plainFile    = 0o100755 // its kind, and who may do what
	archiveRound = 4
)

// file adds a file of this machine under another name.
func (a *archive) file(name, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	a.add(name, content)
	return nil
}

func (a *archive) add(name string, content []byte) {
	a.files++
	a.entry(path.Clean(name)[1:], a.files, plainFile, content)
}

func (a *archive) entry(name string, inode, mode int, content []byte) {
	const owner, group, links, time, device = 0, 0, 1, 0, 0
	a.b.WriteString(archiveMagic)
	for _, v := range []int{
		inode, mode, owner, group, links, time, len(content), device, device, device, device, len(name) + 1, 0,
	} {
		fmt.Fprintf(&a.b, "%08x", v)
	}
	a.b.WriteString(name + "\x00")
	a.pad()
	a.b.Write(content)
	a.pad()
}

func (a *archive) pad() {
	for a.b.Len()%archiveRound != 0 {
		a.b.WriteByte(0)
	}
}

// bytes ends the archive.
func (a *archive) bytes() []byte {
	a.entry(archiveEnd, 0, 0, nil)
	return a.b.Bytes()
}
