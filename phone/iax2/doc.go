// Package iax2 speaks IAX2 (RFC 5456): phones that register, calls, and links to
// other servers, all through one UDP port.
//
//	                     datagrams, in batches
//	                             │
//	                           port ── one goroutine reads, any writes
//	          ┌──────────────────┼──────────────────────┐
//	no call yet, no token     full frames          mini and trunk frames
//	          │                  │                      │
//	      stranger            session                 flow ── media.Sink
//	 (nothing is kept)   (order, again, keys)           ▲
//	                             │ in order             │ voice
//	          ┌──────────┬───────┴──┬─────────┐         │
//	         leg     registrar   enrolment   probe      │
//	     (call.Leg)  (of others)  (of ours)  (POKE)     │
//	          └──────────────────────────────────────────
//
// A session is a pair of call numbers with a peer: it keeps its full frames in
// order, sends again what is not acknowledged, and encrypts. What it is for is a
// party of its own. A leg is a call; its flow is its sound.
//
// Goroutines: a reader for each socket; a ticker of the server (a second: probes,
// registrations, dead media); a ticker of 20 ms while sound goes out in trunk frames.
// Time-outs are runtime timers. A session's lock guards it and its party, and is held
// for computations and one system call at most; a port's lock likewise, and is taken
// last. Events to calls are posted under the lock, which never blocks; whatever calls
// back waits until it is given back.
package iax2
