// Package media carries sound, pictures and text between the parties of a
// call by the cheapest way that does the job.
//
//	datagram -> udp reader -> RTP (parse, latch, count)            way
//	                            | Packet
//	                            v
//	                          path ---------------------------+    relay
//	                            |                             |
//	                            +-> ear -> mouth -------------+    transcode
//	                            |   decode  resample, encode  |
//	                            +-> ear -> Mixer tick -> mouth+    mix
//	                                                          v
//	                                          Flow.Deliver of the other party
//	                                          RTP: line (SSRC, sequence, time)
//	                                                          |
//	                                                          v datagram
//
// A Flow is media with one party: RTP, IAX2 voice, or an application's PCM.
// Join puts a Bridge between two; the Bridge plans two paths and routes each
// flow into one. A path that only relays hands on the datagram it was given:
// nothing is decoded, allocated or waited for, and until the first splice
// nothing in it is changed but a payload type that the parties number
// differently. From the first splice on, the line of the RTP flow rewrites
// headers, so that the phone hears one unbroken stream.
//
// A direction that is only relayed can be lifted: the kernel hands the packets on,
// and the flows count what it has handed on whenever somebody looks (lift.go).
//
// A Seat is a place in a Mixer and a flow itself: a bridge relays packets in and
// out of it, so each is decoded and encoded once.
//
// Goroutines, all the Engine's: the readers of package udp (one a core), which
// carry a packet from arrival to departure; the pacer, which ticks every 20 ms
// while an application, a mixer or a digit needs it, and the crew (a goroutine
// for each further core) that helps it with many of them; and the sweeper, which
// once a second looks for dead media, forgotten digits and reports that are
// due. A standing call has no goroutine and no timer.
//
// Locks: each flow has one short mutex, never held with another flow's. They
// are taken in the order Bridge, Mixer, ear, mouth, flow, and last those of package
// kernel. Events are called with no lock held. docs/media.md says how sound is
// waited for, mixed and changed over, with figures.
package media
