// Package frame is the wire format of IAX2 (RFC 5456, and what has come into
// use since): bytes alone, no sockets, no goroutines, no state. A parser gives
// values that borrow the datagram; a writer appends to a slice.
//
//	          datagram
//	              │ KindOf
//	   ┌──────────┼───────────┬───────────────┐
//	 Full        Mini     MiniVideo         Trunk
//	   │                                      │ Next
//	   │ Type IAX: ParseElements            Entry, Entry, ...
//	Elements
//
// The first sixteen bits tell the kinds apart (8.1):
//
//	1 source call number    a full frame: signalling, and now and then media
//	0 source call number    a mini frame: sound
//	0 0                     a meta frame: a picture, or the sound of many calls
//
// Call numbers are 15 bits; 0 is "none yet". Times are milliseconds since the
// first frame of the call. All numbers are big-endian.
//
// In an encrypted call the bytes after the call numbers are sealed, and package
// proof opens them in place before anything here but KindOf and Numbers may look.
package frame
