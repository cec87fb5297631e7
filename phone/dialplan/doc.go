// Package dialplan turns a number that someone dials into a destination.
//
//	from, number ─> routes of exactly this from   ─┐ in each the most specific
//	             ─> routes of any extension        │ pattern wins, as in Asterisk
//	             ─> built in: extension numbers,  ─┘
//	                feature codes (*43)
//
// Who calls decides what may be reached. An extension reaches the routes for it,
// those without a from, every extension by its number, and the feature codes. A
// trunk reaches only what a route with from = "trunk:NAME" says: whoever is let in
// from outside may not dial inside, or out by another trunk, unless told so (as
// FreePBX's inbound routes decide).
//
// There are no goroutines; a Plan hands out immutable tables.
package dialplan
