package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tincan/config"
	"tincan/config/form"
	"tincan/phone/call"
)

// The control socket is how the commands reach a running server: HTTP over a
// Unix socket in the data folder that only its owner may open.
const controlFile = "control.sock"

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
	r := &routes{http.NewServeMux()}
	r.get("/status", func(*http.Request) (any, error) { return s.status(), nil })
	r.get("/calls", func(*http.Request) (any, error) { return orEmpty(s.exchange.Snapshots()), nil })
	r.get("/registrations", func(*http.Request) (any, error) { return s.registrations(), nil })
	r.get("/trunks/state", func(*http.Request) (any, error) { return s.trunkStates(), nil })
	r.post("/hangup/{id}", s.hangup)
	r.post("/play/{id}", s.play)
	r.post("/record/{id}", s.record)
	r.post("/mix/{id}", s.mix)
	r.post("/messages", s.sendText)
	r.mux.HandleFunc("GET /trace", s.traceStream)
	o := &objects{
		folder: s.config.Load().Data, store: s.store, box: s.box, space: s.space, ledger: s.ledger,
		devices: func(number string) int { return len(s.bindings.For(number)) }, quality: s.exchange.Quality,
	}
	o.handle(r)
	return r.mux
}

// routes are the handlers of the control socket. Each gives what is answered as
// JSON, or an error that becomes a problem.
type routes struct{ mux *http.ServeMux }

type handler func(*http.Request) (any, error)

func (r *routes) get(path string, h handler)    { r.mux.HandleFunc("GET "+path, answer(h)) }
func (r *routes) post(path string, h handler)   { r.mux.HandleFunc("POST "+path, answer(h)) }
func (r *routes) delete(path string, h handler) { r.mux.HandleFunc("DELETE "+path, answer(h)) }

// problem is an error on the wire (RFC 9457).
type problem struct {
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Faults form.Faults `json:"faults,omitempty"` // what is wrong with a file
}

// answer turns a result into JSON, and an error into a problem.
func answer(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := h(r)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

func refuse(w http.ResponseWriter, err error) {
	p := problem{Title: "refused", Status: http.StatusUnprocessableEntity, Detail: err.Error()}
	_ = errors.As(err, &p.Faults)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
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
	Kernel        string      `json:"kernel_relay"`
	PortsUsed     int         `json:"rtp_ports_used"`
	PortsTotal    int         `json:"rtp_ports"`
	HeldBack      uint64      `json:"held_back"`
	GateOff       bool        `json:"gate_off,omitempty"`
}

func (s *server) status() status {
	now, total := s.exchange.Counts()
	used, all := s.media.Ports()
	snap := s.directory.Snapshot()
	st := status{
		Version: version, Commit: commit, PID: os.Getpid(), Started: s.started, Calls: now, CallsTotal: total,
		Registrations: s.bindings.Count(), Extensions: len(snap.Extensions()), Trunks: len(snap.Trunks()),
		Sockets: s.sockets, Store: storeWord(s.store.Status()), Kernel: s.kernelWord(), PortsUsed: used, PortsTotal: all,
		HeldBack: s.gate.Held.Load(), GateOff: !s.cfg().Gate.Enabled,
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
	Lost      bool      `json:"lost,omitempty"` // its connection is gone
}

func (s *server) registrations() []registration {
	out := []registration{}
	for _, b := range s.bindings.All() {
		out = append(out, registration{b.Extension, b.Shown(), b.Transport, b.Received.String(), b.UserAgent, b.Expires, s.sip.Lost(&b)})
	}
	return out
}

func (s *server) hangup(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if !s.exchange.Hangup(id, call.Normal.Why("ended by the operator")) {
		return nil, noCall(id)
	}
	return map[string]string{"ended": id}, nil
}

func noCall(id string) error { return fmt.Errorf("there is no call %s; see tincan calls", id) }

func umask(mode int) int { return syscall.Umask(mode) }
