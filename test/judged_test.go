package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/tracer"
)

const (
	judgedOpens   = 200000 // of another file than the one that is wanted
	judgedMatches = 7
)

// judgedVariable tells the child which files to open.
const judgedVariable = "TRACEE_TEST_OPEN"

func judgedActions() map[string]func(*actor) {
	return map[string]func(*actor){"open often": func(a *actor) {
		other, wanted, _ := strings.Cut(os.Getenv(judgedVariable), "\n")
		a.openOften(other, judgedOpens)
		a.openOften(wanted, judgedMatches)
	}}
}

// openOften opens a file again and again.
func (a *actor) openOften(path string, times int) {
	name := cString(path)
	for range times {
		a.must(unix.SYS_CLOSE, uintptr(a.must(unix.SYS_OPENAT, atCwd, name, unix.O_RDONLY)))
	}
}

// TestOnlyWhatAnArgumentFilterAdmitsReachesUserSpace opens files from a child, because the tracer's own are never traced.
func TestOnlyWhatAnArgumentFilterAdmitsReachesUserSpace(t *testing.T) {
	if !calledBack() {
		t.Skip("before Linux 5.17 user space decides about texts")
	}
	dir := t.TempDir()
	wanted, other := filepath.Join(dir, "wanted"), filepath.Join(dir, "other")
	for _, path := range []string{wanted, other} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := filter.Parse([]string{"event=security_file_open", "security_file_open.pathname=" + wanted})
	if err != nil {
		t.Fatal(err)
	}
	var records atomic.Uint64
	running, err := tracer.New(tracer.Config{
		Events: []*events.Event{lookup("security_file_open")}, Filter: f,
		Record: func([]byte) { records.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	t.Setenv(judgedVariable, other+"\n"+wanted)
	c := spawn(t, "open often")
	began := time.Now()
	go func() {
		c.release(0, nil)
		c.finish()
	}()
	seen := 0
	ctx, stop := context.WithTimeout(t.Context(), 3*patience) // in emulation, a minute is not enough
	defer stop()
	for e := range running.Events(ctx) {
		if e.EventName != "security_file_open" {
			continue
		}
		if path := textOf(e, "pathname"); path != wanted {
			t.Errorf("%s reached user space", path)
		}
		if seen++; seen == judgedMatches {
			break
		}
	}
	t.Logf("%d files opened in %s, %d records reached user space", judgedOpens+judgedMatches, time.Since(began).Round(time.Millisecond), records.Load())
	if seen != judgedMatches {
		t.Fatalf("%d events were seen, want %d", seen, judgedMatches)
	}
	if n := records.Load(); n != judgedMatches {
		t.Errorf("%d records reached user space, want %d", n, judgedMatches)
	}
	if lost := running.Stats().Lost; len(lost) > 0 {
		t.Errorf("what was rejected counts as lost: %+v", lost)
	}
}
