// Package form reads TOML that people write into documented structs, strictly:
// an unknown key, a value of the wrong type or a broken rule is a Fault that says
// where it is, what is wrong and what to write instead, and all faults of a file
// come at once.
//
//	text ──Parse──> Document (values, and the line of every key)
//	                   │ Decode, DecodeTable
//	                   v
//	            structs with toml:"name" tags + Faults, by line
//
// Values: string, bool, integers, floats, time.Duration (written "30s"),
// netip.Prefix, whatever has UnmarshalText (written as a string), lists and tables
// of these. There are no goroutines.
package form
