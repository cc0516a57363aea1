package test

import (
	"encoding/gob"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// How a child learns what to do.
const (
	actionVariable = "TRACEE_TEST_ACTION"
	hostVariable   = "TRACEE_TEST_HOST"
	endAction      = "end" // of a program that is only to be executed

	goDescriptor     = 3 // instructions; the action begins when they have been read
	reportDescriptor = 4 // a ready message, then what the action expects to be seen
)

// instructions are what a child is told before it acts.
type instructions struct {
	Dir   string // an empty directory
	Rungs map[string]trace.Rung
	Count int // for actions that repeat themselves

	CalledBack bool // see calledBack
}

// arguments are the decoded values of an event by name.
type arguments map[string]any

// want is an event that must be seen.
type want struct {
	Event     string
	Arguments arguments
	Truncated []string // arguments that must be marked so
	Return    int
	Pid       int    // of the process, if it is not the child itself
	UID       int    // if it is not root
	Comm      string // if it is not the child's
	Compat    bool
	Via       string
}

// findings are what a child says about what it did.
type findings struct {
	Wants     []want
	Counts    map[string]uint64
	Uncounted []string // events of which there may be any number
	Skip      string   // why it did nothing
	Error     string
}

// actor is the child's side: what an action works with.
type actor struct {
	instructions
	findings
	report *os.File
	sent   bool
}

// actions are what children can do, by name. Tables of tests add to it before the tests run.
var actions = sync.OnceValue(func() map[string]func(*actor) {
	all := map[string]func(*actor){}
	for _, table := range []map[string]func(*actor){
		triggerActions(), syscallActions(), floodActions(), throngActions(), filterActions(), repeatedActions(), entityActions(), longActions(),
		uringActions(), containerActions(), truthActions(), integrityActions(), packetActions(), existingActions(), judgedActions(),
		captureActions(),
	} {
		maps.Copy(all, table)
	}
	return all
})

// failure is what check panics with.
type failure struct{ error }

// act is the life of a child. It enters the scope of the test's filter by its host name, as the last thing before it
// waits to be released, so that nothing of the start of a Go program is seen.
func act(name string) {
	debug.SetGCPercent(-1)
	a := &actor{report: os.NewFile(reportDescriptor, "report")}
	begin := os.NewFile(goDescriptor, "go")
	unix.CloseOnExec(goDescriptor)
	unix.CloseOnExec(reportDescriptor)
	if err := unix.Sethostname([]byte(os.Getenv(hostVariable))); err != nil {
		a.Error = err.Error()
	}
	if _, err := a.report.Write([]byte{0}); err != nil {
		os.Exit(1)
	}
	if err := gob.NewDecoder(begin).Decode(&a.instructions); err != nil {
		os.Exit(1)
	}
	a.perform(name)
	a.send()
	os.Exit(0)
}

func (a *actor) perform(name string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			a.Error = r.Error()
		default:
			panic(r)
		}
	}()
	do := actions()[name]
	if do == nil {
		a.fail(fmt.Errorf("no action called %q", name))
	}
	do(a)
}

// send tells the test what to expect; an action that does not return calls it before its last step.
func (a *actor) send() {
	if a.sent {
		return
	}
	a.sent = true
	if err := gob.NewEncoder(a.report).Encode(&a.findings); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	a.report.Close()
}

// fail ends the action.
func (a *actor) fail(err error) { panic(failure{err}) }

func (a *actor) check(err error) {
	if err != nil {
		a.fail(err)
	}
}

// skip ends the action with the reason why it can not be done here.
func (a *actor) skip(reason string) {
	a.Skip = reason
	a.send()
	os.Exit(0)
}

// want adds an event to those that must be seen, in this order.
func (a *actor) want(event string, args arguments) *want {
	a.Wants = append(a.Wants, want{Event: event, Arguments: args})
	return &a.Wants[len(a.Wants)-1]
}

// path names a file in the child's directory.
func (a *actor) path(name string) string { return filepath.Join(a.Dir, name) }

// raw makes a syscall on this very thread and returns what the kernel does: a value or a negative error number.
func raw(nr uintptr, args ...uintptr) int {
	var six [6]uintptr
	copy(six[:], args)
	value, _, errno := syscall.RawSyscall6(nr, six[0], six[1], six[2], six[3], six[4], six[5])
	if errno != 0 {
		return -int(errno)
	}
	return int(value)
}

// must is raw for calls that have to succeed.
func (a *actor) must(nr uintptr, args ...uintptr) int {
	r := raw(nr, args...)
	if r < 0 {
		a.fail(fmt.Errorf("syscall %d: %w", nr, unix.Errno(-r)))
	}
	return r
}

func comm() string {
	text, _ := os.ReadFile("/proc/thread-self/comm")
	return strings.TrimSuffix(string(text), "\n")
}
