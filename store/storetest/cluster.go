package storetest

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// startBound is how long a cluster may take to come up on a slow machine.
const startBound = 60 * time.Second

// Cluster is a running PostgreSQL. It belongs to the test that started it.
type Cluster struct {
	bin, dir string
	as       *syscall.Credential // nil: ourselves
	server   *exec.Cmd
	log      bytes.Buffer
	next     atomic.Int32
}

// Start makes a cluster and starts it; it is stopped and removed at the test's
// end. Without PostgreSQL the test is skipped, or fails when RequirePeers is set.
func Start(t *testing.T) *Cluster {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		missing(t, "no PostgreSQL in /usr/lib/postgresql")
	}
	slices.Sort(bins)
	// A socket's path may have 107 bytes: a short folder, not the test's own.
	dir, err := os.MkdirTemp("", "tcpg")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{bin: bins[len(bins)-1], dir: dir}
	t.Cleanup(func() {
		c.Stop(t)
		_ = os.RemoveAll(dir)
	})
	c.drop(t)
	c.init(t)
	c.Start(t)
	return c
}

// drop picks the user to run as and gives it the folder.
func (c *Cluster) drop(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		missing(t, "no user postgres or nobody to run it as")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	c.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(c.dir, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	// Pdeathsig: a test that is killed leaves no server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (c *Cluster) init(t *testing.T) {
	t.Helper()
	out, err := c.command("initdb", "-D", "data", "-U", "tincan", "-A", "trust", "-E", "UTF8", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
}

// Start starts a stopped cluster and waits until it answers.
func (c *Cluster) Start(t *testing.T) {
	t.Helper()
	c.server = c.command("postgres", "-D", "data", "-k", c.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "shared_buffers=8MB", "-c", "max_connections=40")
	c.log.Reset()
	c.server.Stdout, c.server.Stderr = &c.log, &c.log
	if err := c.server.Start(); err != nil {
		t.Fatal(err)
	}
	db := c.open(t, "postgres")
	defer func() { _ = db.Close() }()
	end := time.Now().Add(startBound)
	for db.PingContext(t.Context()) != nil {
		if time.Now().After(end) {
			c.Stop(t) // also ends the writing to the log
			t.Fatalf("PostgreSQL does not come up:\n%s", c.log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Stop ends the cluster at once, as a crash would.
func (c *Cluster) Stop(t *testing.T) {
	t.Helper()
	if c.server == nil {
		return
	}
	_ = c.server.Process.Signal(syscall.SIGQUIT)
	_ = c.server.Wait() // it was told to die
	c.server = nil
}

// Database makes an empty database and returns its DSN.
func (c *Cluster) Database(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("d%d", c.next.Add(1))
	db := c.open(t, "postgres")
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return c.dsn(name)
}

func (c *Cluster) dsn(name string) string {
	return fmt.Sprintf("postgres://tincan@/%s?host=%s&sslmode=disable", name, c.dir)
}

func (c *Cluster) open(t *testing.T, name string) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(c.dsn(name))
	if err != nil {
		t.Fatal(err)
	}
	return stdlib.OpenDB(*config)
}
