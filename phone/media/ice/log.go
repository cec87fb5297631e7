package ice

import "github.com/pion/logging"

// silent is pion's log: it has the parties' passwords in it, and what a party does
// wrong is nothing to warn of. What matters is told by Options.Found and Failed.
type silent struct{}

var (
	_ logging.LoggerFactory = silent{}
	_ logging.LeveledLogger = silent{}
)

// NewLogger is pion's.
func (silent) NewLogger(string) logging.LeveledLogger { return silent{} }

// Trace and the others are pion's, and say nothing.
func (silent) Trace(string) {}

// Tracef says nothing.
func (silent) Tracef(string, ...any) {}

// Debug says nothing.
func (silent) Debug(string) {}

// Debugf says nothing.
func (silent) Debugf(string, ...any) {}

// Info says nothing.
func (silent) Info(string) {}

// Infof says nothing.
func (silent) Infof(string, ...any) {}

// Warn says nothing.
func (silent) Warn(string) {}

// Warnf says nothing.
func (silent) Warnf(string, ...any) {}

// Error says nothing.
func (silent) Error(string) {}

// Errorf says nothing.
func (silent) Errorf(string, ...any) {}
