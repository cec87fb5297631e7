package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"tincan/config"
	"tincan/secret"
	"tincan/store"
)

// openStore reaches the store of a data folder that no server has, which is made
// when missing. It holds the folder's lock until it is closed.
func openStore(ctx context.Context, cfg *config.Config) (c *client, err error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w; set data = \"...\" to a folder that can be written", err)
	}
	lock, err := lockData(cfg.Data)
	if err != nil {
		return nil, err
	}
	box, err := secret.Open(cfg.Data)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	st, err := store.Open(ctx, storePlace(cfg), store.Options{Synchronous: cfg.Store.Synchronous})
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	end := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
		defer cancel()
		return errors.Join(st.Close(ctx), lock.Close())
	}
	o, err := openAlone(ctx, cfg.Data, st, box)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	r := &routes{http.NewServeMux()}
	o.handle(r)
	return &client{http.Client{Transport: within{r.mux}}, end}, nil
}

// storePlace is what store.Open takes.
func storePlace(cfg *config.Config) string {
	if cfg.Database != "" {
		return cfg.Database
	}
	return cfg.Data
}

// hasStore tells whether a server or command has ever kept something here. What
// this user may not see counts as there: it must not look empty.
func hasStore(cfg *config.Config) bool {
	if cfg.Database != "" {
		return true
	}
	_, err := os.Stat(filepath.Join(cfg.Data, store.FileName))
	return !errors.Is(err, fs.ErrNotExist)
}

// within carries requests to a handler in this process.
type within struct{ handler http.Handler }

func (w within) RoundTrip(r *http.Request) (*http.Response, error) {
	a := &answered{header: http.Header{}, code: http.StatusOK}
	w.handler.ServeHTTP(a, r.Clone(r.Context()))
	return &http.Response{
		Status: http.StatusText(a.code), StatusCode: a.code, Header: a.header,
		Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// answered is a handler's answer (http.ResponseWriter).
type answered struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header         { return a.header }
func (a *answered) WriteHeader(code int)        { a.code = code }
func (a *answered) Write(b []byte) (int, error) { return a.body.Write(b) }
