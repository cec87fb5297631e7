package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"tincan/bus"
	"tincan/config"
	"tincan/phone/call"
	"tincan/phone/call/record"
	"tincan/phone/event"
)

// The control socket is how the commands reach a running server: HTTP over a
// Unix socket in the data folder that only its owner may open.
const (
	controlFile = "control.sock"
	maxDocument = 8 << 20 // bytes of a space.toml
)

// socketPath gives a path that fits into a socket address (108 bytes) however
// deep the data folder is: by way of the open folder.
func socketPath(dir string) (path string, done func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), controlFile), func() { _ = d.Close() }, nil
}

func (s *server) openControl(_ context.Context, cfg *config.Config) error {
	_ = os.Remove(filepath.Join(cfg.Data, controlFile)) // of a process that was killed; ours is the lock
	path, done, err := socketPath(cfg.Data)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer done()
	old := umask(0o177)
	l, err := net.Listen("unix", path)
	umask(old)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the path is another by then
	s.onClose(func() error {
		err := os.Remove(filepath.Join(cfg.Data, controlFile))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	s.serveHTTP(l, s.controlHandler())
	return nil
}

func (s *server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, f func(*http.Request) (any, error)) { mux.HandleFunc("GET "+path, answer(f)) }
	post := func(path string, f func(*http.Request) (any, error)) { mux.HandleFunc("POST "+path, answer(f)) }
	get("/status", func(*http.Request) (any, error) { return s.status(), nil })
	get("/calls", func(*http.Request) (any, error) { return s.exchange.Snapshots(), nil })
	get("/records", s.records)
	get("/registrations", func(*http.Request) (any, error) { return s.registrations(), nil })
	get("/history", func(r *http.Request) (any, error) { return s.space.History(r.Context()) })
	get("/export", s.export)
	post("/apply", s.apply)
	post("/revert/{n}", s.revert)
	post("/hangup/{id}", s.hangup)
	mux.HandleFunc("GET /trace", s.traceStream)
	return mux
}

// answer turns a result into JSON, and an error into RFC 9457's.
func answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_ = json.NewEncoder(w).Encode(map[string]any{"title": "refused", "status": http.StatusUnprocessableEntity, "detail": err.Error()})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

// status is what `tincan status` shows.
type status struct {
	Version       string      `json:"version"`
	Commit        string      `json:"commit"`
	PID           int         `json:"pid"`
	Started       time.Time   `json:"started"`
	Calls         int         `json:"calls"`
	CallsTotal    uint64      `json:"calls_total"`
	Registrations int         `json:"registrations"`
	Extensions    int         `json:"extensions"`
	Trunks        int         `json:"trunks"`
	Sockets       []listening `json:"sockets"`
	External      string      `json:"external,omitempty"`
	Store         string      `json:"store"`
	PortsUsed     int         `json:"rtp_ports_used"`
	PortsTotal    int         `json:"rtp_ports"`
}

func (s *server) status() status {
	now, total := s.exchange.Counts()
	used, all := s.media.Ports()
	snap := s.directory.Snapshot()
	st := status{
		Version: version, Commit: commit, PID: os.Getpid(), Started: s.started, Calls: now, CallsTotal: total,
		Registrations: s.bindings.Count(), Extensions: len(snap.Extensions()), Trunks: len(snap.Trunks()),
		Sockets: s.sockets, Store: storeWord(s.store.Status()), PortsUsed: used, PortsTotal: all,
	}
	if a := s.external.addr(); a.IsValid() {
		st.External = a.String()
	}
	return st
}

// registration is a line of `tincan registrations`.
type registration struct {
	Extension string    `json:"extension"`
	Contact   string    `json:"contact"`
	Transport string    `json:"transport"`
	Received  string    `json:"received"`
	UserAgent string    `json:"user_agent,omitempty"`
	Expires   time.Time `json:"expires"`
}

func (s *server) registrations() []registration {
	out := []registration{}
	for _, b := range s.bindings.All() {
		out = append(out, registration{b.Extension, b.Contact, b.Transport, b.Received.String(), b.UserAgent, b.Expires})
	}
	return out
}

func (s *server) export(r *http.Request) (any, error) {
	doc, err := s.space.Export(r.Context(), r.URL.Query().Get("reveal") == "true")
	return map[string]string{"document": string(doc)}, err
}

func (s *server) apply(r *http.Request) (any, error) {
	doc, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxDocument))
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	q := r.URL.Query()
	if q.Get("dry_run") == "true" {
		return s.space.Plan(r.Context(), doc, q.Get("name"))
	}
	return s.space.Apply(r.Context(), doc, q.Get("name"), q.Get("who"))
}

func (s *server) revert(r *http.Request) (any, error) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("version %q is no number", r.PathValue("n"))
	}
	return s.space.Revert(r.Context(), n, r.URL.Query().Get("who"))
}

func (s *server) hangup(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if !s.exchange.Hangup(id, call.Normal.Why("ended by the operator")) {
		return nil, fmt.Errorf("there is no call %s; see tincan calls", id)
	}
	return map[string]string{"ended": id}, nil
}

// maxRecords bounds the call records of one answer.
const maxRecords = 1000

func (s *server) records(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > maxRecords {
		limit = 50
	}
	return s.ledger.List(r.Context(), record.Filter{Party: q.Get("party"), Limit: limit})
}

// traceStream sends SIP messages as lines of JSON until the watcher goes.
func (s *server) traceStream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	messages := make(chan event.Message, bus.QueueSize)
	sub := s.bus.Subscribe(func(e any) {
		if m, ok := e.(event.Message); ok {
			select {
			case messages <- m:
			case <-r.Context().Done():
			}
		}
	})
	defer sub.Close()
	s.watch(1)
	defer s.watch(-1)
	enc := json.NewEncoder(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case m := <-messages:
			if err := enc.Encode(m); err != nil {
				return
			}
			_ = flush.Flush()
		}
	}
}

// watch counts who watches, so that messages are published only for them.
func (s *server) watch(delta int) {
	s.watchers.Lock()
	defer s.watchers.Unlock()
	s.watching += delta
	s.sip.Watch(s.watching > 0)
}

func umask(mode int) int { return syscall.Umask(mode) }
