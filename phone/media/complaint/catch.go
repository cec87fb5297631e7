//go:build cgo

package complaint

// #include <errno.h>
// #include <stdio.h>
//
// // tincan_catch lets C's stderr be a descriptor. Its old stream stays open: some other
// // thread may be writing to it.
// static int tincan_catch(int fd) {
// #ifdef __GLIBC__ // where the standard streams are variables
//   FILE *f = fdopen(fd, "w");
//   if (!f) return errno;
//   setvbuf(f, 0, _IONBF, 0);
//   stderr = f;
//   return 0;
// #else
//   (void)fd;
//   return ENOSYS;
// #endif
// }
import "C"

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Catch gives what libraries complain of from now on. It is for the process as a
// whole, so it is called once, before there is sound; Close ends the reading alone.
func Catch() (*os.File, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("a pipe for what libraries write: %w", err)
	}
	if errno := C.tincan_catch(C.int(ends[1])); errno != 0 {
		_, _ = unix.Close(ends[0]), unix.Close(ends[1]) // nobody had them
		return nil, fmt.Errorf("the standard error of libraries: %w", syscall.Errno(errno))
	}
	return os.NewFile(uintptr(ends[0]), "complaints"), nil
}
