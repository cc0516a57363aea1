package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the help texts in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tracee-ebpf": main})
}

func TestScripts(t *testing.T) {
	filterHelp, err := filepath.Abs("../../filter/testdata/help.golden")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Deadline:      time.Now().Add(10 * patience),
		Condition:     condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await":  await,
			"exits":  exits,
			"occupy": occupy,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("FILTER_HELP", filterHelp)
			return nil
		},
	})
}

func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// exits is a command for scripts: "exits <code> <program> <arguments>" runs the program and demands its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code: got %d, want %d", got, want)
	}
}

// occupy is a command for scripts: it serves at the address $TAKEN until the script ends.
func occupy(ts *testscript.TestScript, _ bool, _ []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	ts.Setenv("TAKEN", listener.Addr().String())
}

// patience is how long scripts wait for what must come; loading programs takes most of it.
const patience = 30 * time.Second

// await is a command for scripts: "await <file> <regexp>" waits until the file has a match.
func await(ts *testscript.TestScript, _ bool, args []string) {
	path, want := ts.MkAbs(args[0]), regexp.MustCompile(args[1])
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil && want.Match(text) {
			return
		}
	}
	ts.Fatalf("%s: no match for %s within %v", args[0], args[1], patience)
}
