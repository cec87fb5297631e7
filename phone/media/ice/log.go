package ice

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// quiet hands on pion's log: what a party does wrong is nothing to warn of, and
// candidates and passwords are nobody's business. What matters is told by State.
type quiet struct{ log *slog.Logger }

var (
	_ logging.LoggerFactory = quiet{}
	_ logging.LeveledLogger = quiet{}
)

// NewLogger is pion's.
func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

func (q quiet) say(format string, args []any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug("ice: " + fmt.Sprintf(format, args...))
	}
}

// Trace and the others are pion's.
func (q quiet) Trace(string) {}

// Tracef is of each packet.
func (q quiet) Tracef(string, ...any) {}

// Debug is a line.
func (q quiet) Debug(msg string) { q.say("%s", []any{msg}) }

// Debugf is a line.
func (q quiet) Debugf(format string, args ...any) { q.say(format, args) }

// Info is a line.
func (q quiet) Info(msg string) { q.Debug(msg) }

// Infof is a line.
func (q quiet) Infof(format string, args ...any) { q.say(format, args) }

// Warn is a line.
func (q quiet) Warn(msg string) { q.Debug(msg) }

// Warnf is a line.
func (q quiet) Warnf(format string, args ...any) { q.say(format, args) }

// Error is a line.
func (q quiet) Error(msg string) { q.Debug(msg) }

// Errorf is a line.
func (q quiet) Errorf(format string, args ...any) { q.say(format, args) }
