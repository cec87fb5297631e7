package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tincan/phone/directory"
	"tincan/secret"
	"tincan/store"
)

const (
	// lowSpace and noSpace are of the data folder's disk: a day of records and logs
	// of a busy house, and what SQLite needs to go on.
	lowSpace = 500 << 20
	noSpace  = 20 << 20
	// maxTrial bounds the database that is copied to try its migrations.
	maxTrial = 256 << 20
)

func (x *examination) folder(context.Context) {
	const check = "data folder"
	dir := whole(x.cfg.Data)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		x.folderToBe(check, dir)
		return
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		x.fail(check, fmt.Sprintf("%s cannot be written: %v", dir, err), "run as "+owner(dir)+`, or set data = "..." to another folder`)
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	x.space(check, dir, dir+" can be written")
}

// folderToBe judges a folder that is not there yet by the nearest that is.
func (x *examination) folderToBe(check, dir string) {
	for at := filepath.Dir(dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err != nil && at != "/" {
			continue
		}
		if err := unix.Access(at, unix.W_OK); err != nil {
			x.fail(check, fmt.Sprintf("%s is not there and cannot be made in %s: %v", dir, at, err), `set data = "..." to another folder`)
			return
		}
		x.space(check, at, dir+" is not there yet; the first start makes it")
		return
	}
}

func (x *examination) space(check, dir, what string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		x.warn(check, fmt.Sprintf("%s; how much space its disk has is not known: %v", what, err), "")
		return
	}
	free := st.Bavail * uint64(st.Bsize)
	what += fmt.Sprintf("; %d MB of its disk are free", free>>20)
	switch {
	case free < noSpace:
		x.fail(check, what, "make space: calls go on, but records and registrations are lost soon")
	case free < lowSpace:
		x.warn(check, what, "make space")
	default:
		x.ok(check, what)
	}
}

func (x *examination) key(context.Context) {
	const check = "key"
	path := filepath.Join(x.cfg.Data, secret.FileName)
	_, err := os.Stat(path)
	if os.Getenv(secret.Env) == "" && errors.Is(err, fs.ErrNotExist) {
		if hasStore(x.cfg) && x.cfg.Database == "" {
			x.fail(check, path+" is gone: secrets in the store cannot be read", "restore it from a backup; without one, give every extension a new secret")
			return
		}
		x.ok(check, "not made yet; the first start makes it")
		return
	}
	box, err := secret.Open(x.cfg.Data)
	if err != nil {
		x.failErr(check, err)
		return
	}
	where := path
	if os.Getenv(secret.Env) != "" {
		where = "the environment's " + secret.Env
	}
	x.ok(check, fmt.Sprintf("%s reads (key %s); keep a copy of it with your backups", where, box.ID()))
}

func (x *examination) storage(ctx context.Context) {
	const check = "store"
	switch {
	case x.server != nil && x.server.Store == "up":
		x.ok(check, "the server reads and writes it")
	case x.server != nil:
		x.fail(check, "the server cannot write it: "+x.server.Store, "calls go on and what must be written waits, bounded; see the server's log")
	case !hasStore(x.cfg):
		x.ok(check, "not made yet; the first start makes it")
	case x.cfg.Database != "":
		x.database(ctx, check)
	default:
		x.trial(ctx, check)
	}
}

// database asks PostgreSQL, and changes nothing there.
func (x *examination) database(ctx context.Context, check string) {
	st, err := store.Open(ctx, x.cfg.Database, store.Options{})
	if err != nil {
		x.fail(check, err.Error(), `see database = "..." in the configuration`)
		return
	}
	if err := closeStore(ctx, st); err != nil {
		x.fail(check, err.Error(), "")
		return
	}
	x.ok(check, "PostgreSQL answers")
}

// trial opens and migrates a copy of the database, as a start would the database.
func (x *examination) trial(ctx context.Context, check string) {
	lock, err := lockData(x.cfg.Data)
	if errors.Is(err, errInUse) {
		x.warn(check, err.Error(), "a server that is starting or stopping, or a command: run tincan doctor again")
		return
	}
	if err != nil {
		x.fail(check, err.Error(), "")
		return
	}
	defer func() { _ = lock.Close() }()
	dir, err := os.MkdirTemp(x.cfg.Data, ".doctor-*")
	if err != nil {
		x.fail(check, err.Error(), "")
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	size, err := copyStore(x.cfg.Data, dir)
	switch {
	case errors.Is(err, errTooLarge):
		x.ok(check, fmt.Sprintf("is there; with %d MB too large to try it on a copy", size>>20))
		return
	case err == nil:
		err = tryStore(ctx, dir, x.cfg.Data)
	}
	if err != nil {
		x.fail(check, err.Error(), "a start would fail like this; restore a backup, or ask with the text above")
		return
	}
	x.ok(check, "opens, is whole, and is or can be brought to this version (tried on a copy)")
}

var errTooLarge = errors.New("too large to copy")

// copyStore copies SQLite's files and gives their size.
func copyStore(from, to string) (size int64, err error) {
	files := []string{store.FileName, store.FileName + "-wal"}
	for _, name := range files {
		if info, err := os.Stat(filepath.Join(from, name)); err == nil {
			size += info.Size()
		}
	}
	if size > maxTrial {
		return size, errTooLarge
	}
	for _, name := range files {
		err := copyFile(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return size, err
		}
	}
	return size, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// tryStore does with the store in dir what a start does, with keyDir's key.
func tryStore(ctx context.Context, dir, keyDir string) error {
	st, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	var found string
	err = st.DB().QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	if err == nil && found != "ok" {
		err = fmt.Errorf("the database is damaged: %s", found)
	}
	if err == nil {
		err = openLikeServer(ctx, st, keyDir)
	}
	return errors.Join(err, closeStore(ctx, st))
}

func openLikeServer(ctx context.Context, st *store.Store, keyDir string) error {
	if _, err := openAlone(ctx, keyDir, st, nil); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(keyDir, secret.FileName)); err != nil && os.Getenv(secret.Env) == "" {
		return nil // the verdict on the key says so
	}
	box, err := secret.Open(keyDir)
	if err != nil {
		return nil // the verdict on the key says so
	}
	_, err = directory.Open(ctx, st, box, realm)
	return err
}

func closeStore(ctx context.Context, st *store.Store) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return st.Close(ctx)
}

// ahead is how far the clock may be behind a file before it is wrong: file systems
// of other machines differ a little.
const ahead = 2 * time.Minute

func (x *examination) clock(context.Context) {
	const check = "clock"
	now := time.Now()
	if name, at := newest(x.cfg.Data); at.After(now.Add(ahead)) {
		x.fail(check, fmt.Sprintf("says %s, but %s was written later, at %s", moment(now), name, moment(at)),
			"set the clock: sudo timedatectl set-ntp true (certificates, registrations and records depend on it)")
		return
	}
	var tx unix.Timex
	_, err := unix.Adjtimex(&tx)
	switch {
	case err != nil:
		x.ok(check, "says "+moment(now)+"; whether it is synchronised cannot be seen from here")
	case tx.Status&unix.STA_UNSYNC != 0:
		x.warn(check, "says "+moment(now)+" and is not synchronised", "sudo timedatectl set-ntp true")
	default:
		x.ok(check, "says "+moment(now)+" and is synchronised")
	}
}

// newest finds the file of a folder that was written last.
func newest(dir string) (name string, at time.Time) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(at) {
			name, at = e.Name(), info.ModTime()
		}
	}
	return name, at
}
