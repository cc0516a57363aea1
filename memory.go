package tracee

import (
	"context"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/tracee-go/tracee/internal/footprint"
)

const (
	// idleInterval is how often memory is looked at, and idleMemory how much of it may lie idle: to give it back takes some
	// ten milliseconds of CPU time.
	idleInterval = 10 * time.Second
	idleMemory   = 8 << 20
)

// giveBack gives memory back that is not needed any more: at once what loading took, and later what a scan of the kernel or
// a burst of events did. Go would keep much of it, until next time.
func giveBack(ctx context.Context, log *slog.Logger) {
	idle := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	ticks := time.NewTicker(idleInterval)
	defer ticks.Stop()
	if err := footprint.Shrink(); err != nil {
		log.Info("memory that only the start needed is kept", "error", err)
	}
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
