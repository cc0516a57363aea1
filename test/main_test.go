package test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/tracee-go/tracee/types/trace"
)

// TestMain runs the tests, or, in a child, the one action that it was started for.
func TestMain(m *testing.M) {
	switch name := os.Getenv(actionVariable); name {
	case "":
	case endAction:
		os.Exit(0)
	default:
		act(name)
	}
	if os.Geteuid() != 0 {
		fmt.Println("SKIP: tracing the kernel needs root")
		return
	}
	os.Exit(m.Run())
}

// init keeps the action of a child on its main thread, whose id is the process id.
func init() { runtime.LockOSThread() }

// report prints the line that the runner of the kernel matrix collects.
func report(t *testing.T, event string, rung trace.Rung, detail string) {
	result := "pass"
	switch {
	case t.Skipped():
		result = "skip"
	case t.Failed():
		result = "fail"
	}
	name := rung.String()
	if name == "" {
		name = "none"
	}
	fmt.Printf("RESULT event=%s rung=%s result=%s detail=%s\n", event, name, result, detail)
}
