package test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// guestVariable says that the tests run in a guest, which they may spoil, and which is emulated.
const guestVariable = "TRACEE_TEST_GUEST"

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
	if os.Getenv(guestVariable) != "" {
		loadOverlay()
	}
	os.Setenv("TRACEE_ALLOW_SECOND", "1") // tests of other packages start one, too
	status := m.Run()
	if left := leaked(); len(left) > 0 {
		fmt.Println("FAIL: BPF objects left by closed tracers:", left)
		status = 1
	}
	os.Exit(status)
}

// loadOverlay gives a guest the file system that containers are made of; without it, the tests of that skip.
func loadOverlay() {
	image, err := os.ReadFile("/lib/modules/overlay.ko")
	if err == nil {
		err = unix.InitModule(image, "")
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		fmt.Println("no overlayfs:", err)
	}
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
