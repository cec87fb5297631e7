// Package quality judges how a party's sound fares on its way, and says in plain
// words what is wrong with it.
//
//	once a second      Facts ──> Watch.Look ──┬─> every 5 s a Sample ──> Account
//	counters of a flow                        └─> Trouble that begins or is over
//
//	Facts.Loss, Jitter, RTT ──> Conditions ──> R (E-model, ITU-T G.107) ──> MOS
//
// There are no goroutines and no clocks: time comes with the facts. What cannot be
// known from a flow is left out of the rating: echo, noise, the delay inside the
// phones but for their jitter buffers, and what another network behind a trunk does.
package quality
