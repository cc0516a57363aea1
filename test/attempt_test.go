package test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// Since Linux 7.0 a program can be preempted, and the kernel does not run it for another task on that CPU meanwhile. It
// counts what it left out, and tracers report that as lost; a test can only try again.
const attempts = 4

// accounting is longer than the tracer takes to notice what the kernel counted.
const accounting = 3 * time.Second

// attempt is a try at a test, whose failures do not count yet.
type attempt struct {
	testing.TB
	failures []string
}

func (a *attempt) record(text string) {
	_, file, line, _ := runtime.Caller(2)
	a.failures = append(a.failures, fmt.Sprintf("%s:%d: %s", filepath.Base(file), line, text))
}

func (a *attempt) Error(values ...any)                 { a.record(fmt.Sprintln(values...)) }
func (a *attempt) Errorf(format string, values ...any) { a.record(fmt.Sprintf(format, values...)) }

func (a *attempt) Fatal(values ...any) {
	a.record(fmt.Sprintln(values...))
	runtime.Goexit()
}

func (a *attempt) Fatalf(format string, values ...any) {
	a.record(fmt.Sprintf(format, values...))
	runtime.Goexit()
}

// try calls do, and again if it failed while the kernel says that it did not run some program.
func (s *session) try(t *testing.T, do func(testing.TB)) {
	t.Helper()
	for n := 1; ; n++ {
		before := s.missed.Load()
		a := &attempt{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			do(a)
		}()
		<-done
		if len(a.failures) == 0 {
			return
		}
		missed := s.missedSince(before)
		if n == attempts || missed == 0 {
			for _, failure := range a.failures {
				t.Error(failure)
			}
			return
		}
		t.Logf("attempt %d: the kernel left out %d programs, and %s", n, missed, a.failures[0])
	}
}

// noteMissed adds what a record of losses says about programs that the kernel did not run.
func (s *session) noteMissed(e *trace.Event) {
	reason, known := e.Lookup("reason")
	lost, counted := e.Lookup("lost")
	if known && counted && reason.Value() == tracer.ProgramMissed {
		s.missed.Add(uint64(lost.Int()))
	}
}

// missedSince waits until the kernel is known to have missed something, or not to have.
func (s *session) missedSince(before uint64) uint64 {
	for end := time.Now().Add(accounting); time.Now().Before(end); time.Sleep(accounting / 10) {
		if missed := s.missed.Load() - before; missed > 0 {
			return missed
		}
	}
	return 0
}
