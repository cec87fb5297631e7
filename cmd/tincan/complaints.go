package main

import (
	"bufio"
	"io"
	"log/slog"
	"time"

	"tincan/phone/media/complaint"
)

// complaintsEvery is how often the log has what libraries complain of: a stranger's
// sound can make them do so many times a second.
const complaintsEvery = time.Minute

// catchComplaints keeps what C libraries write out of the standard error, and lets the
// log have some of it, until stop is called.
func catchComplaints(log *slog.Logger) (stop func()) {
	said, err := complaint.Catch()
	if err != nil {
		log.Debug("what libraries write is not caught", "error", err)
		return func() {}
	}
	heeded := make(chan struct{})
	go func() {
		defer close(heeded)
		heed(said, log)
	}()
	return func() {
		_ = said.Close() // it was read only
		<-heeded
	}
}

// heed logs lines, one a minute, with how many were left out.
func heed(said io.Reader, log *slog.Logger) {
	var next time.Time
	unsaid := 0
	lines := bufio.NewReader(said)
	for {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		for skip := more; skip && err == nil; { // of a line without an end the beginning is enough
			_, skip, err = lines.ReadLine()
		}
		if time.Now().Before(next) {
			unsaid++
			continue
		}
		log.Warn("a sound library complains", "says", string(line), "unsaid", unsaid)
		next, unsaid = time.Now().Add(complaintsEvery), 0
	}
}
