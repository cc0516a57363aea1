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
	// restInterval is how often the heap is looked at, and idleMemory how much of it may lie idle: to give it back takes some
	// ten milliseconds of CPU time. When the collector had nothing to do meanwhile, a burst is over, and less is worth it.
	restInterval = 10 * time.Second
	// trimInterval is how often it is looked whether pages of the program's file have come back, which takes some ten microseconds.
	trimInterval = time.Second
	idleMemory   = 8 << 20
	restMemory   = 4 << 20
)

// giveBack gives memory back that is not needed any more: at once what loading took, and later what a scan of the kernel or
// a burst of events did. Go would keep much of it, until next time.
func giveBack(ctx context.Context, log *slog.Logger) {
	var keeper footprint.Keeper
	if err := keeper.Shrink(); err != nil {
		log.Info("memory that only the start needed is kept", "error", err)
	}
	var heap heap
	rests, trims := time.Tick(restInterval), time.Tick(trimInterval)
	for {
		select {
		case <-ctx.Done():
			return
		case <-rests:
			if heap.idles() {
				debug.FreeOSMemory()
			}
		case <-trims:
			if err := keeper.Trim(); err != nil {
				log.Debug("pages of the program are kept", "error", err)
			}
		}
	}
}

// heap is what the collector says of it.
type heap struct{ cycles uint64 }

// idles says whether it is worth it to collect garbage and to return free pages.
func (h *heap) idles() bool {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	free, objects, live, cycles := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64(), samples[3].Value.Uint64()
	quiet := cycles == h.cycles
	h.cycles = cycles
	return free >= idleMemory || quiet && free+objects >= live+restMemory
}
