// Package ice finds a way to a party through NATs and firewalls (RFC 8445), and
// makes it one more socket of a flow, so that flows know nothing of it.
//
//	         flow (media.RTP)
//	  Recv ^        | Send          Settle: where the party is
//	       |        v                   ^
//	+------+-- Socket ------------------+--------------------------+
//	|  STUN? --yes--> port --> agent (pion/ice) --> chosen pair    |
//	|    no           ^  |       |         |                       |
//	|  from who has   |  v       | relay,  | TCP, the one port     |
//	|  the password?  udp.Pair   | TURN    | of all                |
//	+-----------------^-|--------^---------^-----------------------+
//	                  | v        v         v
//	                    the network
//
// A pair on the flow's own ports carries media as if there was no ICE: a packet
// is read and sent by the flow's reader, compared with one address, and nothing is
// allocated. Pairs over a TURN server, ICE-TCP or the one port of all (Config.UDP)
// go through pion, with a goroutine each way.
//
// A component has an agent; a line where RTCP is not on RTP's port has two. When
// ICE begins anew (RFC 8445 9), new agents look for a way while media keeps to the
// old one.
//
//	          Start              pair chosen            consent gone
//	gathered --------> checking -------------> going ---------------> lost
//	                      |  30 s                ^  Start, with other
//	                      +-------> failed       +- password: checks beside
//
// Goroutines: two of pion's an agent, one more for each candidate of ours, and
// those of pion/turn for a relay. All end with the flow; Host.Close waits.
//
// Strangers: STUN is answered only if it has our user name and password; what has
// not the user name is dropped by the reader, and at most queueLength others
// wait. Nothing that is sent unasked is longer or more than what was received.
package ice
