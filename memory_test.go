package tracee

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGarbageIsCollectedWhenABurstIsOver(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var h heap
	debug.FreeOSMemory()
	for _, when := range []string{"right after", "quiet"} {
		if h.idles() {
			t.Errorf("%s: memory that was just given back lies idle", when)
		}
	}
	garbage := make([]byte, restMemory+1<<20)
	runtime.KeepAlive(garbage)
	if !h.idles() {
		t.Error("garbage of a burst is kept")
	}
	debug.FreeOSMemory()
	garbage = make([]byte, restMemory+1<<20)
	runtime.KeepAlive(garbage)
	if h.idles() {
		t.Error("garbage is collected though the collector is at work")
	}
}
