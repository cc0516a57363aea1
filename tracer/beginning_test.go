package tracer

import (
	"os"
	"testing"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

func TestBeginningTellsOfTheMachineOnce(t *testing.T) {
	tracer := &Tracer{reader: &reader{decode: newDecoder(false)}}
	tracer.config.Events = []*events.Event{events.InitNamespaces, events.TraceeInfo, events.SchedProcessExec}
	var seen []*trace.Event
	tracer.begin(func(e *trace.Event) bool {
		seen = append(seen, e.Clone())
		return true
	})
	if len(seen) != 2 || seen[0].EventName != "tracee_info" || seen[1].EventName != "init_namespaces" {
		t.Fatalf("got %d events, want tracee_info and init_namespaces", len(seen))
	}
	started, _ := seen[0].Lookup("start_time")
	if age := time.Since(time.Unix(0, started.Int())); age < 0 || age > time.Minute {
		t.Errorf("start_time: got %s ago", age)
	}
	for _, field := range events.InitNamespaces.Args {
		want, err := namespace("/proc/1/ns/" + field.Name)
		got, ok := seen[1].Lookup(field.Name)
		if ok != (err == nil) || ok && got.Value() != want {
			t.Errorf("%s: got %v, want %d (%v)", field.Name, got, want, err)
		}
	}
}

func TestNamespaceReadsTheNumber(t *testing.T) {
	link := t.TempDir() + "/mnt"
	if err := os.Symlink("mnt:[4026531840]", link); err != nil {
		t.Fatal(err)
	}
	if got, err := namespace(link); err != nil || got != 4026531840 {
		t.Errorf("got %d, %v", got, err)
	}
	if err := os.Symlink("elsewhere", link+"2"); err != nil {
		t.Fatal(err)
	}
	if got, err := namespace(link + "2"); err == nil {
		t.Errorf("got %d, want an error", got)
	}
}
