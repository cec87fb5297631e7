package form

// Problem is something wrong with one of a list of objects, found by whoever
// knows what they mean. Whoever has the file makes a Fault of it.
type Problem struct {
	Index int    // which object, from 0
	Field string // its field's name in TOML; empty: the whole object
	What  string // what is wrong
	Fix   string // what to do
}
