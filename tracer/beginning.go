package tracer

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// narrator is the process that the events about the beginning are attributed to, as in v0.8.
const narrator = "tracee-ebpf"

// begin yields the events that describe the machine and the tracer before anything happens: each once, if it is selected.
// It reports false when the consumer wants no more.
func (t *Tracer) begin(yield func(*trace.Event) bool) bool {
	for _, one := range []struct {
		event *events.Event
		build func(*trace.Builder)
	}{
		{events.TraceeInfo, buildInfo},
		{events.InitNamespaces, buildNamespaces},
	} {
		if !slices.Contains(t.config.Events, one.event) || t.told[one.event] {
			continue
		}
		var b trace.Builder
		b.Reset(one.event.Schema())
		one.build(&b)
		e := t.narrated()
		b.Finish(&e)
		if !yield(&e) {
			return false
		}
	}
	return t.told[events.ContainerGroupFound] || t.existingEvents(yield)
}

// narrated is an event of the tracer itself, now.
func (t *Tracer) narrated() trace.Event {
	return trace.Event{Timestamp: t.Now(), ProcessName: narrator}
}

// Now is the time, as in timestamps of events.
func (t *Tracer) Now() int { return t.reader.decode.timestamp(uint64(clock(unix.CLOCK_BOOTTIME))) }

func buildInfo(b *trace.Builder) {
	now := time.Now().UnixNano()
	b.Slot(0, uint64(now-clock(unix.CLOCK_BOOTTIME)))
	b.Slot(1, uint64(now))
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Text(2, info.Main.Version)
	}
}

// buildNamespaces stores the namespaces of the first process, as far as they may be read.
func buildNamespaces(b *trace.Builder) {
	for i, field := range events.InitNamespaces.Args {
		if inode, err := namespace("/proc/1/ns/" + field.Name); err == nil {
			b.Slot(i, uint64(inode))
		}
	}
}

// namespace reads the number of a namespace: the 4026531840 of "mnt:[4026531840]".
func namespace(path string) (uint32, error) {
	target, err := os.Readlink(path)
	if err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(strings.TrimSuffix(target, "]"), "[")
	inode, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a namespace", path, target)
	}
	return uint32(inode), nil
}
