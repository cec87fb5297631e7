package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"tincan/config"
)

// client asks a running server by its control socket or, where none runs, the same
// handlers within this process, on the store alone.
type client struct {
	http  http.Client
	close func() error
}

// errNoServer: nobody answers on the control socket.
var errNoServer = errors.New("no server runs")

const (
	// controlTime bounds one answer: a space.toml of the largest size takes seconds.
	controlTime = 2 * time.Minute
	// starting is how long a command waits while the data folder is held by a
	// server that does not answer yet, or by another command.
	starting     = 5 * time.Second
	startingPoll = 50 * time.Millisecond
)

// server reaches the running server.
func (o *options) server() (*client, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, err
	}
	c, err := connect(cfg.Data)
	if errors.Is(err, errNoServer) {
		return nil, fmt.Errorf("%w on the data folder %s; start it: tincan serve%s, or name its configuration with --config", errNoServer, whole(cfg.Data), o.withConfig())
	}
	return c, err
}

func (o *options) withConfig() string {
	if o.config == "" {
		return ""
	}
	return " --config " + o.config
}

// keeper reaches whoever keeps the objects: the running server, or the store alone.
func (o *options) keeper(ctx context.Context) (*client, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, err
	}
	return reach(ctx, cfg)
}

// onlyLooking is keeper for a command that changes nothing: where nothing was ever
// kept it looks at an empty store elsewhere, and leaves no trace.
func (o *options) onlyLooking(ctx context.Context) (*client, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, err
	}
	if hasStore(cfg) {
		return reach(ctx, cfg)
	}
	empty, remove, err := scratch(cfg)
	if err != nil {
		return nil, err
	}
	c, err := openStore(ctx, empty)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	c.close = both(c.close, remove)
	return c, nil
}

func reach(ctx context.Context, cfg *config.Config) (*client, error) {
	until := time.Now().Add(starting)
	for {
		c, err := connect(cfg.Data)
		if !errors.Is(err, errNoServer) {
			return c, err
		}
		c, err = openStore(ctx, cfg)
		if !errors.Is(err, errInUse) || time.Now().After(until) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(startingPoll):
		}
	}
}

// connect reaches the server of a data folder; errNoServer if there is none.
func connect(dir string) (*client, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := socketPath(dir)
		if err != nil {
			return nil, err
		}
		defer done()
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	conn, err := dial(context.Background(), "", "")
	switch {
	case err == nil:
		_ = conn.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNoServer
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the data folder %s is %s's; run this as %[2]s", whole(dir), owner(dir))
	default:
		return nil, fmt.Errorf("the server of the data folder %s: %w", whole(dir), err)
	}
	t := &http.Transport{DialContext: dial}
	return &client{http.Client{Transport: t}, func() error { t.CloseIdleConnections(); return nil }}, nil
}

// owner is the name of the user that a file belongs to.
func owner(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "another user"
	}
	id := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// whole is a path that means the same elsewhere.
func whole(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// do sends a request and decodes the answer into out, which may be nil.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	res, err := c.open(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("the server's answer was cut off: %w", err)
	}
	return nil
}

// open sends a request to an escaped path; a problem that comes back is the error.
func (c *client) open(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://tincan"+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the server did not answer: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, readProblem(res)
}

func readProblem(res *http.Response) error {
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var p problem
	if err := json.Unmarshal(text, &p); err != nil || p.Detail == "" {
		return fmt.Errorf("the server answered %s; is it another version than this command (tincan version, tincan status)?", res.Status)
	}
	if p.Faults != nil && p.Faults.Error() == p.Detail {
		return p.Faults
	}
	return errors.New(p.Detail)
}

// who is the person that a change is noted for.
func who() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(os.Getuid())
}
