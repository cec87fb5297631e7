// Package space applies and exports space.toml: all objects of the server
// (extensions, trunks, routes, ...) as one declarative file, across the packages
// that own them.
//
//	space.toml ─form.Parse─> owners decode and check ─> references ─> secrets ─> difference
//	                             └──────── faults, all at once ───────┘             │
//	                                        one transaction: objects + version <────┘ Apply
//
// What is not in the file goes; the change is made whole or not at all, and each is
// a version, kept as a document with sealed secrets, that can be applied again. All
// changes of objects go through here, one at a time: within the process by a mutex,
// between nodes by a lock in the database and the number of the last version.
//
// There are no goroutines.
package space
