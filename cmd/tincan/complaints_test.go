package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// However much a library writes, the log has a line a minute of it.
func TestComplaintsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r, w := io.Pipe()
		go func() {
			for i := range 1000 {
				_, _ = fmt.Fprintf(w, "warning: the %dth\n", i) // heed reads to the end
				time.Sleep(150 * time.Millisecond)              // 2.5 min in all
			}
			_ = w.Close()
		}()
		heed(r, slog.New(slog.NewTextHandler(&log, nil)))
		if said := log.String(); strings.Count(said, "\n") != 3 || !strings.Contains(said, "the 0th") || strings.Count(said, "unsaid=399") != 2 {
			t.Errorf("the log has:\n%s", said)
		}
	})
}
