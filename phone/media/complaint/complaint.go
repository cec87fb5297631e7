// Package complaint catches what C libraries write to the standard error, which is
// the server's log: libspeexdsp's echo canceller does so whenever it gives up on what
// a party's sound has made of it, as often as a stranger likes.
//
//	library ── fprintf(stderr) ──> FILE ──> pipe ──> whoever reads it, line by line
//	Go ─────── panics, os.Stderr ─────────────────────────────────> descriptor 2
//
// The library's thread never waits: what does not fit into the pipe is lost. There
// are no goroutines.
package complaint
