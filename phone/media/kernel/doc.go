// Package kernel carries RTP from party to party inside the kernel: a packet
// that comes for a call whose parties need nothing but to be handed on is
// rewritten where the network card's driver gives it to the kernel, and leaves
// again. It never enters the process, and goes on while the process restarts.
//
//	phone A                                                      phone B
//	   |                                                            ^
//	   v                                                            |
//	interface --- program (tc ingress) --- redirect to the neighbour
//	                 |       ^
//	    all the rest |       | slot of the port: from whom, to whom,
//	    goes up      |       | offsets; the program counts in it
//	                 v       |
//	              socket    map ------- memory of the process (Table)
//	                 |
//	              package media
//
// The map is an array with a slot for each even port of the range. The process
// has it in its memory: carrying a stream is writing its slot, taking it back is
// writing a zero, and its counts are there to be read. What the program does is
// without state but for the counts: fixed offsets of sequence and time, one SSRC,
// a table of payload types. So a packet that goes through the process and one that
// does not are changed alike, and it does not matter which way a packet takes.
//
// All that is not plainly the stream's goes up: another source or SSRC, RTCP,
// telephone events, a jump of the sequence, fragments, options, and everything
// if the process gave no sign of life for ten minutes.
//
// Program (by TCX, or clsact before Linux 6.6), links and map are pinned in a
// folder of the bpf file system named after the data folder. The next process
// takes them over with a program of its own, goes on with the streams of the calls
// that it adopts, and stops the rest (Disown). Two servers on a machine have two
// programs, which leave each other's ports alone.
//
// The program is written in Go with an assembler (docs/decisions/0009), so
// neither a compiler nor a compiled object is needed.
//
// Goroutines: one a Relay, which follows interfaces and routes and gives the
// sign of life. Locks: Relay, Carried, Table, in this order.
package kernel
