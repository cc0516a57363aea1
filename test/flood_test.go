package test

import (
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	floodExecs   = 25    // while the flood goes on
	floodThreads = 2     // that make counted calls, and as many again that make others
	floodCalls   = 15000 // of each counting thread
	floodMark    = 1000  // an invalid argument of getpriority, which tells the threads apart
)

func floodActions() map[string]func(*actor) {
	return map[string]func(*actor){"flood": flood}
}

// flood makes more calls than anybody can read. Those of getpriority are numbered.
func flood(a *actor) {
	var stop atomic.Bool
	var noise, counted sync.WaitGroup
	path := cString("/")
	for range floodThreads {
		noise.Go(func() {
			for !stop.Load() {
				if fd := raw(unix.SYS_OPENAT, atCwd, path, unix.O_DIRECTORY, 0); fd >= 0 {
					raw(unix.SYS_CLOSE, uintptr(fd))
				}
			}
		})
	}
	for thread := range floodThreads {
		counted.Go(func() {
			for i := range floodCalls {
				raw(unix.SYS_GETPRIORITY, uintptr(floodMark+thread), uintptr(i))
			}
		})
	}
	for i := range floodExecs {
		a.check(exec.Command("/bin/true", itoa(i)).Run())
	}
	counted.Wait()
	stop.Store(true)
	noise.Wait()
}

// account follows the stream and keeps the books of what is missing from it.
type account struct {
	next     [floodThreads]int // number of the call that each thread made after the last that was seen
	seen     uint64
	gaps     uint64 // calls that are known to be missing,
	untold   uint64 // and how many of them no record had told of at the most
	told     map[string]uint64
	reasons  map[string]bool
	execs    []string
	problems []string
}

func (a *account) add(e *trace.Event) {
	switch e.EventName {
	case "lost_events":
		name, _ := e.Lookup("event")
		count, _ := e.Lookup("lost")
		reason, _ := e.Lookup("reason")
		a.told[name.Value().(string)] += count.Uint()
		a.reasons[reason.Value().(string)] = true
	case "sched_process_exec":
		argv, _ := e.Lookup("argv")
		a.execs = append(a.execs, argv.Strings()[1])
	case "getpriority":
		which, _ := e.Lookup("which")
		who, _ := e.Lookup("who")
		a.count(int(which.Int())-floodMark, int(who.Int()))
		time.Sleep(time.Millisecond) // too slow for the flood
	}
}

// count takes a numbered call. Whatever is missing before it must have been told by now, unless programs were not run.
func (a *account) count(thread, number int) {
	if number < a.next[thread] {
		a.problems = append(a.problems, "call "+itoa(number)+" of thread "+itoa(thread)+" out of order, or twice")
		return
	}
	a.seen++
	a.gaps += uint64(number - a.next[thread])
	a.next[thread] = number + 1
	if told := a.told["getpriority"]; a.gaps > told {
		a.untold = max(a.untold, a.gaps-told)
	}
}

// TestFloodLosesNothingInSilence reads a small ring slowly while children make more calls than it can hold.
func TestFloodLosesNothingInSilence(t *testing.T) {
	books := account{told: map[string]uint64{}, reasons: map[string]bool{}}
	getpriority := lookup("getpriority")
	s := startWith(t, tracer.Config{
		Events:    []*events.Event{getpriority, lookup("openat"), lookup("close"), events.SchedProcessExec},
		BulkBytes: 64 << 10,
	}, books.add)
	c := spawn(t, "flood")
	c.release(0, nil)
	c.finish()
	s.await(t, "end of the flood", func(seen []*trace.Event) bool { return hasEvent(seen, "sched_process_exit", c.pid) })
	s.halt()

	for _, problem := range books.problems {
		t.Error(problem)
	}
	missed := uint64(0) // not run at all: these are counted per program, not per event
	for _, loss := range s.tracer.Stats().Lost {
		if loss.Reason == tracer.ProgramMissed {
			missed += loss.Count
			continue
		}
		if got := books.told[loss.Event]; got != loss.Count {
			t.Errorf("lost_events records of %s: got %d in all, want %d", loss.Event, got, loss.Count)
		}
	}
	if books.untold > missed {
		t.Errorf("gaps: no lost_events record told of %d calls when it should have (%d missed)", books.untold, missed)
	}
	const made = floodThreads * floodCalls
	told := books.told["getpriority"]
	if sum := books.seen + told; sum > made || sum+missed < made {
		t.Errorf("getpriority: got %d seen + %d lost = %d, want %d calls (%d missed)", books.seen, told, sum, made, missed)
	}
	if told == 0 || !books.reasons[tracer.RingFull] {
		t.Errorf("nothing was lost in the bulk ring: this was no flood (reasons: %v)", books.reasons)
	}
	var all []string
	for i := range floodExecs { // one after the other
		all = append(all, itoa(i))
	}
	if !slices.Equal(books.execs, all) || books.told["sched_process_exec"] != 0 {
		t.Errorf("executions: got %v and %d lost, want all of %v", books.execs, books.told["sched_process_exec"], all)
	}
	report(t, "lost_events", trace.NoRung, itoa(int(books.seen))+" seen + "+itoa(int(told))+" lost = "+itoa(made)+" made")
}
