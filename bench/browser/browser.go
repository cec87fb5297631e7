// Package browser runs a headless Chromium with one page, which has many phones: JsSIP
// user agents, each with a WebSocket, a registration and an RTCPeerConnection of its
// own (crowd.html). Commands go by the DevTools protocol, as JSON over a WebSocket.
//
//	Open ── chromium ── page: crowd.come ── WSS ──> registrations
//	                          crowd.call ── WSS, ICE, DTLS ──> calls that stand
package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coder/websocket"

	"tincan/bench/proc"
)

// patience bounds the wait for an answer of the browser: two cores are busy with it.
const patience = 60 * time.Second

//go:embed crowd.html
var page []byte

// Crowd is the page. It is for one goroutine.
type Crowd struct {
	process *proc.Process
	conn    *websocket.Conn
	last    int    // command
	session string // of the page
}

// State counts the page's phones.
type State struct {
	Registered int
	Standing   int      // calls that are answered, and whose media are connected
	Failed     []string // why others are not
}

// Open starts the browser with its page; folder is for its files. The working
// directory is that of the project, whose scripts/jssip is needed.
func Open(folder string) (c *Crowd, err error) {
	file, err := write(folder)
	if err != nil {
		return nil, err
	}
	process, err := proc.Start(folder, "chromium",
		"--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
		"--user-data-dir="+filepath.Join(folder, "profile"), "--remote-debugging-port=0", "--ignore-certificate-errors",
		"--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection",
		"--disable-features=WebRtcHideLocalIpsWithMdns", "about:blank")
	if err != nil {
		return nil, err
	}
	c = &Crowd{process: process}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := c.attach(); err != nil {
		return nil, err
	}
	return c, c.show("file://" + file)
}

// write puts the page beside its script.
func write(folder string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	script := filepath.Join(cache, "tincan-tests", "jssip.js")
	if out, err := exec.Command("scripts/jssip", script).CombinedOutput(); err != nil {
		return "", fmt.Errorf("scripts/jssip: %w\n%s", err, out)
	}
	if err := os.Symlink(script, filepath.Join(folder, "jssip.js")); err != nil {
		return "", err
	}
	file := filepath.Join(folder, "crowd.html")
	return file, os.WriteFile(file, page, 0o600)
}

// attach connects to the DevTools at the address that the browser prints.
func (c *Crowd) attach() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		select {
		case line, ok := <-c.process.Lines():
			if !ok {
				return fmt.Errorf("chromium ended; it said last:\n%s", c.process.Tail())
			}
			_, address, found := strings.Cut(line, "DevTools listening on ")
			if !found {
				continue
			}
			conn, _, err := websocket.Dial(ctx, strings.TrimSpace(address), nil)
			if err != nil {
				return fmt.Errorf("chromium's DevTools: %w", err)
			}
			conn.SetReadLimit(-1)
			c.conn = conn
			return nil
		case <-ctx.Done():
			return fmt.Errorf("chromium names no DevTools in %v; it said last:\n%s", patience, c.process.Tail())
		}
	}
}

// show opens the page, and waits for its script.
func (c *Crowd) show(url string) error {
	var target struct{ TargetID string }
	if err := c.command("Target.createTarget", map[string]any{"url": url}, &target); err != nil {
		return err
	}
	var attached struct{ SessionID string }
	if err := c.command("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		return err
	}
	c.session = attached.SessionID
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		var ready bool
		if err := c.evaluate("document.readyState === 'complete' && !!window.crowd", &ready); err != nil || ready {
			return err
		}
	}
	return fmt.Errorf("chromium does not show its page in %v", patience)
}

// Come has so many phones register, numbered from first on, at a WebSocket.
func (c *Crowd) Come(ws, host string, first, count int, password string) error {
	return c.run("come", map[string]any{"ws": ws, "host": host, "first": first, "count": count, "password": password})
}

// Call has each call a number.
func (c *Crowd) Call(number string) error { return c.run("call", number) }

// State tells how far they are.
func (c *Crowd) State() (s State, err error) { return s, c.evaluate("crowd.state()", &s) }

// run calls a function of the page with one argument, and does not wait for what
// comes of it.
func (c *Crowd) run(name string, argument any) error {
	text, err := json.Marshal(argument)
	if err != nil {
		return err
	}
	return c.evaluate(fmt.Sprintf("void crowd.%s(%s)", name, text), nil)
}

// evaluate gives the value of an expression in the page.
func (c *Crowd) evaluate(expression string, into any) error {
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if err := c.command("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer); err != nil {
		return err
	}
	if e := answer.ExceptionDetails; e != nil {
		return fmt.Errorf("chromium: %s: %s %s", expression, e.Text, e.Exception.Description)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Result.Value, into)
}

// command runs one of DevTools' and waits for what it gives.
func (c *Crowd) command(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.last++
	request := map[string]any{"id": c.last, "method": method, "params": params}
	if c.session != "" {
		request["sessionId"] = c.session
	}
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if err := c.conn.Write(ctx, websocket.MessageText, text); err != nil {
		return fmt.Errorf("chromium: %s: %w", method, err)
	}
	for {
		_, text, err := c.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("chromium: %s: %w", method, err)
		}
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(text, &answer); err != nil || answer.ID != c.last {
			continue // an event
		}
		if answer.Error != nil {
			return fmt.Errorf("chromium: %s: %s", method, answer.Error.Message)
		}
		return json.Unmarshal(answer.Result, result)
	}
}

// Close ends the browser, without a goodbye of its phones.
func (c *Crowd) Close() {
	if c.conn != nil {
		_ = c.conn.CloseNow()
	}
	c.process.Stop()
}
