package tracee

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// idleInterval is how often memory is looked at, and idleMemory how much of it may lie idle: to give it back takes some
	// ten milliseconds of CPU time.
	idleInterval = 10 * time.Second
	idleMemory   = 8 << 20
)

// giveBack gives memory back that is not needed any more: at once what loading took, and later what a scan of the kernel or
// a burst of events did. Go would keep much of it, until next time.
func giveBack(ctx context.Context) {
	idle := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	ticks := time.NewTicker(idleInterval)
	defer ticks.Stop()
	debug.FreeOSMemory()
	forgetProgram()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if metrics.Read(idle); idle[0].Value.Uint64() >= idleMemory {
			debug.FreeOSMemory()
		}
	}
}

// forgetProgram gives back what is in memory of this program's own file, most of which was needed to start and never
// again. What is needed comes back by itself, from the kernel's cache of files.
func forgetProgram() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		var start, end uintptr
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &start, &end, &rights); n == 3 && rights[1] == '-' && strings.HasSuffix(line, " "+self+"\n") {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED)
		}
	}
}
